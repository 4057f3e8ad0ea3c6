"""`joynet account`: keys."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from joynet_cli._chain import account_name, open_chain
from joynet_cli._output import is_interactive, out
from joynet_cli._session import ask_secret, ctx, password_for, stop_if_dry_run

app = typer.Typer(help="Create and use keys.", no_args_is_help=True)

NameArg = Annotated[str, typer.Argument(help="Name of the key.")]
MaybeName = Annotated[str | None, typer.Argument(help="Key name; the chosen account by default.")]
_MAX_INPUT_BYTES = 64 * 1024


@app.command("list")
def list_accounts() -> None:
    """List the keys of this home.

    Examples:
      joynet account list
    """
    from joynet_sdk.chain import Keys

    context = ctx()
    rows = [
        {"name": k.name, "address": k.address, "chosen": k.name == context.account}
        for k in Keys(context.home).list()
    ]

    def human(found: list[dict[str, Any]]) -> None:
        cells = [[r["name"], r["address"], "*" if r["chosen"] else ""] for r in found]
        out.table(["name", "address", "chosen"], cells)

    out.result(rows, human)


@app.command()
def new(name: NameArg) -> None:
    """Create a key, locked with a password.

    Examples:
      joynet account new alice
      JOYNET_PASSWORD_FILE=pw.txt joynet account new alice
    """
    from joynet_sdk.chain import Keys

    keys = Keys(ctx().home)
    keys.check_new(name)
    stop_if_dry_run(f"make the key {name}")
    info = keys.new(name, password_for(name, confirm=True))
    out.result({"name": info.name, "address": info.address, "path": info.path}, _print_key)


@app.command("import")
def import_key(
    name: NameArg,
    file: Annotated[
        Path | None,
        typer.Argument(help="Private key (hex) or v3 keyfile; '-' or nothing reads stdin."),
    ] = None,
) -> None:
    """Import a private key or a v3 keyfile, from a file, stdin or a prompt.

    A keyfile is opened with the same password that locks the new one.

    Examples:
      joynet account import alice key.txt
      pass show eth/alice | joynet account import alice
      joynet account import alice UTC--2026-01-01T00-00-00Z--keyfile.json
    """
    from joynet_sdk.chain import Keys
    from joynet_sdk.chain.accounts import parse_secret

    keys = Keys(ctx().home)
    keys.check_new(name)
    raw = _read_secret(file)
    secret = None if raw.lstrip().startswith(b"{") else parse_secret(raw)
    stop_if_dry_run(f"keep the key as {name}")
    if secret is None:
        password = password_for(name)
        info = keys.import_keyfile(name, raw, password, password)
    else:
        info = keys.import_key(name, secret, password_for(name, confirm=True))
    out.result({"name": info.name, "address": info.address, "path": info.path}, _print_key)


@app.command()
def address(name: MaybeName = None) -> None:
    """Print an address.

    Examples:
      joynet account address alice
    """
    from joynet_sdk.chain import Keys

    context = ctx()
    info = Keys(context.home).info(name or account_name(context))
    out.result({"name": info.name, "address": info.address}, lambda r: out.line(r["address"]))


@app.command()
def balance(name: MaybeName = None) -> None:
    """Show how much ETH, which pays for gas, an account holds.

    Examples:
      joynet account balance alice
    """
    from joynet_cli.commands.token import address_of

    who = address_of(ctx(), name)
    with open_chain() as session:
        eth = session.balance(who)
    result = {"address": who, "eth_wei": str(eth)}
    out.result(result, lambda r: out.line(f"{eth / 10**18:.6g} ETH"))


def _read_secret(file: Path | None) -> bytes:
    from joynet_sdk.errors import InvalidInputError

    if file is not None and str(file) != "-":
        with file.open("rb") as opened:
            raw = opened.read(_MAX_INPUT_BYTES + 1)
    elif is_interactive() and file is None:
        raw = ask_secret("Private key (hex): ").encode()
    else:
        raw = sys.stdin.buffer.read(_MAX_INPUT_BYTES + 1)
    if len(raw) > _MAX_INPUT_BYTES:
        raise InvalidInputError(f"the key is over {_MAX_INPUT_BYTES} bytes, expected 32 in hex")
    return raw


def _print_key(key: dict[str, Any]) -> None:
    out.line(key["address"])
    out.note(f"{key['name']} is kept in {key['path']}; back it up, and its password")
