"""`joynet contracts`: what is deployed, and direct calls."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from joynet_cli._chain import open_chain, print_receipt
from joynet_cli._output import out
from joynet_cli._session import ctx

app = typer.Typer(help="Deploy contracts and call them.", no_args_is_help=True)

NameArg = Annotated[str, typer.Argument(help="Contract name, e.g. JoyToken.")]


@app.command("list")
def list_contracts() -> None:
    """List the contracts this version ships, with their size.

    Examples:
      joynet contracts list
    """
    from joynet_sdk.chain import artifacts

    shipped = [artifacts.load(name) for name in artifacts.names()]
    rows = [{"name": a.name, "bytes": a.runtime_size, "artifact": a.digest} for a in shipped]
    out.result(
        rows, lambda rs: out.table(["contract", "bytes"], [[r["name"], r["bytes"]] for r in rs])
    )


@app.command()
def deploy(
    names: Annotated[list[str] | None, typer.Argument(help="Only these; all by default.")] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Deploy again what is there already.")
    ] = False,
    srs: Annotated[
        str | None,
        typer.Option("--srs", help="Digest of the SRS for InferenceVerifier (proof srs show)."),
    ] = None,
) -> None:
    """Deploy what is missing, wire it up, and write the deployment file.

    On the devnet its own deployer pays and owns; elsewhere your account does.

    Examples:
      joynet contracts deploy
      joynet contracts deploy --network https://rpc.example.org --account ops
    """
    from joynet_sdk.chain.deploy import DEVNET, PUBLIC, deploy_all
    from joynet_sdk.chain.devnet import Devnet
    from joynet_sdk.types import DEVELOPMENT_CHAIN_IDS

    context = ctx()
    with open_chain() as session, out.progress("Deploying"):
        is_devnet = session.chain_id in DEVELOPMENT_CHAIN_IDS
        if context.network == "devnet" and not context.account:
            session.use_account(Devnet(context.home).deployer)
            if not context.dry_run:
                session.confirm = lambda plan: out.note(plan.title)
        params = DEVNET if is_devnet else PUBLIC
        if srs is not None:
            params = replace(params, tau_powers=_tau_powers(context.home, srs, session.chain_id))
        deployment = deploy_all(session, params, names=names, is_fresh=fresh)
    addresses = {name: c.address for name, c in deployment.contracts.items()}
    result = {
        "chain_id": deployment.chain_id,
        "version": deployment.version,
        "contracts": addresses,
    }
    out.result(result, lambda r: out.table(["contract", "address"], list(addresses.items())))


def _tau_powers(home: Path, digest: str, chain_id: int) -> tuple[str, ...]:
    from joynet_sdk.formats import parse_hex
    from joynet_sdk.paths import Home
    from joynet_sdk.proofs.g2 import encode
    from joynet_sdk.proofs.srs import SrsStore

    found = SrsStore(Home(home).srs).find(parse_hex(digest, 32, "SRS digest"))
    found.require_chain(chain_id)
    return tuple(encode(point).hex() for point in found.tau_powers[:13])


@app.command()
def addresses() -> None:
    """Show where the contracts live on this chain.

    Examples:
      joynet contracts addresses --json
    """
    with open_chain() as session:
        found = {name: c.address for name, c in session.deployment.contracts.items()}
    out.result(found, lambda r: out.table(["contract", "address"], list(r.items())))


@app.command()
def abi(name: NameArg) -> None:
    """Print a contract's ABI as JSON.

    Examples:
      joynet contracts abi JoyToken > JoyToken.abi.json
    """
    from joynet_sdk.chain import artifacts

    entries = artifacts.load(name).abi.entries
    out.result(entries, lambda e: out.line(json.dumps(e, indent=1)))


@app.command()
def call(
    name: NameArg,
    function: Annotated[str, typer.Argument(help="Function name, e.g. balanceOf.")],
    args: Annotated[
        list[str] | None,
        typer.Argument(help="Arguments; lists and structs as JSON, bytes as 0x hex."),
    ] = None,
    send: Annotated[bool, typer.Option("--send", help="Send a transaction.")] = False,
    value: Annotated[str, typer.Option("--value", help="Wei of ETH to send along.")] = "0",
) -> None:
    """Call a contract: read a view, or with --send change something.

    Examples:
      joynet contracts call JoyToken totalSupply
      joynet contracts call JoyToken approve 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 5 --send
    """
    from joynet_sdk.chain.transactions import plain
    from joynet_sdk.errors import InvalidInputError

    values = [_argument(text) for text in args or []]
    if not value.isdigit():
        raise InvalidInputError(f"--value is {value!r}, expected wei, a whole number")
    with open_chain() as session:
        contract = session.contract(name)
        if send:
            print_receipt(contract.transact(function, *values, value=int(value)))
            return
        if not contract.abi.is_view(function, len(values)):
            raise InvalidInputError(f"{name}.{function} changes state", hint="add --send")
        answer = plain(contract.call(function, *values))

    def human(shown: Any) -> None:
        out.line(shown if isinstance(shown, str) else json.dumps(shown))

    out.result(answer, human)


def _argument(text: str) -> Any:
    """A command-line argument; text that is a JSON list or object becomes one."""
    from joynet_sdk.errors import InvalidInputError

    if not text.startswith(("[", "{")):
        return text
    try:
        return json.loads(text)
    except ValueError:
        raise InvalidInputError(f"argument is {text!r}, expected valid JSON") from None
