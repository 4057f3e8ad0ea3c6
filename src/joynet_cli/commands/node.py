"""`joynet node`: run a node that serves models and votes in committees."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from joynet_cli._output import out
from joynet_cli._session import ctx, open_joynet, password_for, stop_if_dry_run

if TYPE_CHECKING:
    from joynet_sdk.client import JoyNet
    from joynet_sdk.errors import NotFoundError
    from joynet_sdk.nodes import NodeInfo

app = typer.Typer(help="Run a node: serve models, vote, earn.", no_args_is_help=True)

OPERATOR = "node-operator"


@app.command()
def init(
    port: Annotated[int | None, typer.Option("--port", help="TCP port to listen on.")] = None,
    host: Annotated[str, typer.Option("--host", help="IP address to listen on.")] = "127.0.0.1",
) -> None:
    """Make the node's keys and choose where it listens; safe to repeat.

    The operator key is hot: it signs answers and votes and holds gas only. The vault, an account
    of yours that stays elsewhere, owns the stake.

    Examples:
      joynet node init
      joynet node init --host 203.0.113.7 --port 4001
    """
    from joynet_sdk import config
    from joynet_sdk.chain import Keys
    from joynet_sdk.p2p.identity import load_or_create, peer_key_path
    from joynet_sdk.paths import Home

    context = ctx()
    home = Home(context.home)
    stop_if_dry_run(f"make a node's keys in {home.root} and listen on {host}")
    home.create()
    keys = Keys(context.home)
    if OPERATOR not in keys.names():
        keys.new(OPERATOR, password_for(OPERATOR, confirm=True))
    peer = load_or_create(peer_key_path(context.home))
    listen = context.settings.p2p.listen
    if port is not None or any(address.endswith("/tcp/0") for address in listen):
        chosen = f"/ip4/{host}/tcp/{port or _free_port(host)}"
        config.change_file(home.config, "user", {"p2p.listen": chosen}, mode=0o600)
        listen = (chosen,)
    result = {
        "operator": keys.info(OPERATOR).address,
        "peer_id": peer.peer_id,
        "endpoint": [f"{address}/p2p/{peer.peer_id}" for address in listen],
    }

    def human(_: dict[str, Any]) -> None:
        out.line(f"operator  {result['operator']} (send it some ETH for gas)")
        out.line(f"peer id   {result['peer_id']}")
        for address in result["endpoint"]:
            out.line(f"endpoint  {address}")
        out.note("next: joynet node register --account VAULT --stake 1000")

    out.result(result, human)


@app.command()
def register(
    stake: Annotated[str, typer.Option("--stake", help="JOY to put at stake.")],
    payout: Annotated[
        str | None, typer.Option("--payout", help="Account that earnings go to [the vault].")
    ] = None,
    capacity: Annotated[int, typer.Option("--capacity", min=1, help="Requests at once.")] = 16,
    cell: Annotated[str, typer.Option("--cell", help="H3 cell of its place, or nothing.")] = "",
) -> None:
    """Stake, provision and register, as the vault (--account). Interrupted: joynet tx resume.

    Examples:
      joynet node register --account vault --stake 1000
    """
    from joynet_cli.commands.token import address_of
    from joynet_sdk.errors import ConfigError
    from joynet_sdk.p2p.identity import load_or_create, peer_key_path
    from joynet_sdk.units import parse_joy

    context = ctx()
    wei, operator = parse_joy(stake), _operator(_home())
    listen = context.settings.p2p.listen
    if any(address.endswith("/tcp/0") for address in listen):
        raise ConfigError("the node has no fixed port to be reached at", hint="joynet node init")
    peer = load_or_create(peer_key_path(context.home))
    with open_joynet("Registering the node") as joynet:
        node_id = joynet.nodes.register(
            operator=operator,
            payout=address_of(ctx(), payout) if payout else joynet.chain.account.address,
            peer_key=peer,
            endpoint=[f"{address}/p2p/{peer.peer_id}" for address in listen],
            stake=wei,
            capacity=capacity,
            cell=cell,
        )
        info = joynet.nodes.info(node_id)
    _print_info(info)
    out.note("next: joynet node offer REF --price 0.01, then joynet node start")


@app.command()
def offer(
    ref: Annotated[str, typer.Argument(help="Name, manifest CID, or 0x model id.")],
    price: Annotated[
        str | None, typer.Option("--price", help="JOY per call, on top of the model's.")
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Stop offering it.")] = False,
) -> None:
    """Offer a model on this home's node, as the vault (--account).

    Examples:
      joynet node offer digits.joy --price 0.01 --account vault
      joynet node offer digits.joy --remove --account vault
    """
    from joynet_cli._errors import UsageError
    from joynet_sdk.units import format_joy, parse_joy

    if (price is None) != remove:
        raise UsageError("give either --price or --remove")
    wei = parse_joy(price) if price else 0
    with open_joynet("Setting the offer") as joynet:
        model_id = joynet.inference.resolve(ref)
        node_id = joynet.nodes.by_operator(_operator(_home()))
        if remove:
            joynet.nodes.withdraw_offer(node_id, model_id)
        else:
            joynet.nodes.offer(node_id, model_id, wei)  # type: ignore[arg-type]
    text = "withdrawn" if remove else f"{format_joy(wei)} a call"
    result = {"node_id": node_id, "model_id": model_id, "price_wei": str(wei), "removed": remove}
    out.result(result, lambda _: out.line(f"node {node_id} offers {ref}: {text}"))


@app.command()
def start(
    prove: Annotated[
        bool, typer.Option("--prove", help="Also take jobs of class zk: prove the answers.")
    ] = False,
    proof_price: Annotated[
        str, typer.Option("--proof-price", help="JOY a proof, on top of the model's.")
    ] = "0.1",
    proof_seconds: Annotated[
        int, typer.Option("--proof-seconds", min=10, max=86_400, help="Time it asks for a proof.")
    ] = 120,
    fault: Annotated[str, typer.Option("--fault", hidden=True)] = "",
) -> None:
    """Start the node as a process of its own.

    With --prove it offers proofs of every exact model that it serves and that has a circuit. A
    proof that comes late or does not hold costs it the bond of the job, so a node that stops
    takes its offer back first.

    Examples:
      joynet node start
      joynet node start --prove --proof-price 0.05
    """
    from joynet_sdk.chain.networks import resolve_url
    from joynet_sdk.node.launch import Launch, spawn, wait_ready
    from joynet_sdk.units import parse_joy

    context = ctx()
    settings = context.settings
    _home()
    stop_if_dry_run("start the node")
    launch = Launch(
        home=context.home,
        url=resolve_url(context.home, context.network),
        operator=OPERATOR,
        password=password_for(OPERATOR),
        listen=settings.p2p.listen,
        bootstrap=settings.p2p.bootstrap,
        quota_bytes=int(settings.storage.quota_gb * 10**9),
        unsecured_limit=parse_joy(settings.node.unsecured_limit_joy),
        fault=fault,
        log_level=settings.log.level,
        proof_fee=parse_joy(proof_price) if prove else None,
        proof_seconds=proof_seconds,
    )
    with out.progress("Starting the node"):
        control = wait_ready(context.home, spawn(launch))
    pid = control.process.pid
    result = {"pid": pid, "control": control.url}
    out.result(result, lambda _: out.line(f"running, pid {pid}: joynet node status"))


@app.command()
def stop() -> None:
    """Stop the node; it redeems its vouchers first.

    Examples:
      joynet node stop
    """
    from joynet_sdk.node import launch

    stop_if_dry_run("stop the node")
    with out.progress("Stopping the node"):
        pid = launch.stop(_home())
    out.result({"stopped": pid}, lambda _: out.line(f"stopped, pid {pid}"))


@app.command()
def status() -> None:
    """Show what the running node is doing.

    Examples:
      joynet node status --json
    """
    from joynet_sdk.node.control import ask
    from joynet_sdk.units import format_joy

    report = ask(_home(), "status")

    def human(_: dict[str, Any]) -> None:
        out.line(f"node {report['node_id']}, up {report['uptime_s']} s, {report['peers']} peers")
        out.line(f"operator    {report['operator']}")
        for address in report["addrs"]:
            out.line(f"listens on  {address}")
        out.line(f"answered    {report['answered']} ({report['refused']} refused)")
        out.line(f"unredeemed  {format_joy(int(report['unredeemed']))}")
        if report["proves"]:
            proves, jobs = len(report["proves"]), report["open_proofs"]
            out.line(f"proves      {proves} models, {jobs} jobs open")
        for model in report["models"]:
            out.line(f"model       {model['model_id'][:18]}... {model['state']} {model['problem']}")

    out.result(report, human)


@app.command()
def redeem() -> None:
    """Redeem the vouchers that the running node holds.

    Examples:
      joynet node redeem
    """
    from joynet_sdk.node.control import ask
    from joynet_sdk.units import format_joy

    stop_if_dry_run("redeem the vouchers that the node holds")
    with out.progress("Redeeming"):
        report = ask(_home(), "redeem")
    out.result(report, lambda r: out.line(f"redeemed {format_joy(int(r['redeemed']))}"))


@app.command()
def earnings(
    withdraw: Annotated[
        bool, typer.Option("--withdraw", help="Send them to the payout address.")
    ] = False,
) -> None:
    """Show what the node earned, redeemed and not; or withdraw it.

    In a home whose network `joynet quickstart --keep` left up, all of its nodes.

    Examples:
      joynet node earnings
      joynet node earnings --withdraw --account vault
    """
    homes = _own_nodes()
    if not homes or (withdraw and homes != [ctx().home]):
        raise _no_node()
    with open_joynet() as joynet:
        rows = [_earned(joynet, home, withdraw) for home in homes]

    def human(_: dict[str, Any]) -> None:
        for row in rows:
            _print_earned(row)

    out.result(rows[0] if homes == [ctx().home] else {"nodes": rows}, human)


def _earned(joynet: "JoyNet", home: Path, withdraw: bool) -> dict[str, Any]:
    """What the node of a home earned, amounts in wei; withdrawn when asked for."""
    from joynet_sdk.errors import NotFoundError
    from joynet_sdk.node.control import ask

    try:
        unredeemed = int(ask(home, "status")["unredeemed"])
    except NotFoundError:  # it does not run
        unredeemed = 0
    node_id = joynet.nodes.by_operator(_operator(home))
    info = joynet.nodes.info(node_id)
    sent = joynet.nodes.withdraw_earnings(node_id) if withdraw else 0
    return {
        "node_id": node_id,
        "redeemed_wei": str(info.earnings),
        "committees_wei": str(info.committee_balance),
        "proofs_wei": str(info.proof_balance),
        "unredeemed_wei": str(unredeemed),
        "withdrawn_wei": str(sent),
        "payout": info.payout,
    }


def _print_earned(earned: dict[str, Any]) -> None:
    from joynet_sdk.units import format_joy

    out.line(f"node {earned['node_id']}")
    for part in ("redeemed", "committees", "proofs", "unredeemed"):
        out.line(f"{part:11} {format_joy(int(earned[part + '_wei']))}")
    if int(earned["withdrawn_wei"]):
        out.line(f"{'sent':11} {format_joy(int(earned['withdrawn_wei']))} to {earned['payout']}")


@app.command()
def info(
    node_id: Annotated[int | None, typer.Argument(help="Node id [this home's node].")] = None,
) -> None:
    """Show a registered node: keys, endpoint, stake, reputation, offers.

    Examples:
      joynet node info
      joynet node info 2
    """
    with open_joynet() as joynet:
        if node_id is None:
            node_id = joynet.nodes.by_operator(_operator(_home()))
        record = joynet.nodes.info(node_id)
    _print_info(record)


@app.command()
def logs(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as it grows.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="Last lines first.")] = 20,
) -> None:
    """Print the node's log, one JSON object per line.

    Examples:
      joynet node logs -n 50
      joynet node logs -f
    """
    from joynet_sdk.errors import NotFoundError
    from joynet_sdk.paths import Home

    path: Path = Home(_home()).logs / "node.log"
    if not path.is_file():
        raise NotFoundError("log", path, hint="joynet node start")
    with path.open("rb") as file:
        data = file.read()
        for line in data.splitlines()[-lines:] if lines else ():
            out.stdout_bytes(line + b"\n")
        while follow:
            if more := file.read():
                out.stdout_bytes(more)
            time.sleep(0.2)


def _operator(home: Path) -> Any:
    """The address of a home's operator key."""
    from joynet_sdk.chain import Keys

    return Keys(home).info(OPERATOR).address


def _home() -> Path:
    """This home, which has a node.

    Raises:
        NotFoundError: It has none.
    """
    home = ctx().home
    if _own_nodes() != [home]:
        raise _no_node()
    return home


def _own_nodes() -> list[Path]:
    """The home itself when it has a node, else those that quickstart keeps below it."""
    from joynet_sdk.chain import Keys

    home = ctx().home
    candidates = [home], sorted((home / "quickstart").glob("node-*"))
    found = ([each for each in some if OPERATOR in Keys(each).names()] for some in candidates)
    return next(filter(None, found), [])


def _no_node() -> "NotFoundError":
    from joynet_sdk.errors import NotFoundError

    others = _own_nodes()
    hint = f"a node of the quickstart: --home {others[0]}" if others else "joynet node init"
    return NotFoundError("node in", ctx().home, hint=hint)


def _free_port(host: str) -> int:
    import socket

    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _print_info(info: "NodeInfo") -> None:
    from joynet_sdk.units import format_joy

    result = {
        "node_id": info.node_id,
        "vault": info.vault,
        "operator": info.operator,
        "payout": info.payout,
        "endpoint": list(info.endpoint),
        "active": info.is_active,
        "capacity": info.capacity,
        "provision_wei": str(info.provision),
        "free_provision_wei": str(info.free_provision),
        "earnings_wei": str(info.earnings),
        "reputation": info.reputation,
        "models": list(info.models),
    }

    def human(_: dict[str, Any]) -> None:
        out.line(f"node {info.node_id}" + ("" if info.is_active else " (inactive)"))
        out.line(f"vault       {info.vault}")
        out.line(f"operator    {info.operator}")
        out.line(f"at stake    {format_joy(info.provision)}")
        out.line(f"reputation  {info.reputation:.2f}")
        for address in info.endpoint:
            out.line(f"endpoint    {address}")
        for model in info.models:
            out.line(f"offers      {model}")

    out.result(result, human)
