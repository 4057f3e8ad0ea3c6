"""`joynet p2p`: who this home is among peers, and who it can reach."""

import asyncio
import statistics
from typing import Annotated, Any

import typer

from joynet_cli._output import out
from joynet_cli._session import ctx, stop_if_dry_run

app = typer.Typer(help="Look at the peer-to-peer network.", no_args_is_help=True)

AddressArg = Annotated[
    str, typer.Argument(metavar="ADDRESS", help="/ip4/HOST/tcp/PORT/p2p/PEER_ID.")
]


def _is_running() -> bool:
    from joynet_sdk.errors import NotFoundError
    from joynet_sdk.node.control import read_control

    try:
        read_control(ctx().home)
    except NotFoundError:
        return False
    return True


def _ask(action: str, **body: str) -> Any:
    from joynet_sdk.node.control import ask

    return ask(ctx().home, action, body)


@app.command("id")
def show_id() -> None:
    """Show this home's peer id; the first use makes its key.

    Examples:
      joynet p2p id
      joynet p2p id --json
    """
    from joynet_sdk.p2p.identity import load_or_create, peer_key_path

    path = peer_key_path(ctx().home)
    if not path.exists():
        stop_if_dry_run(f"make a peer key in {path}")
    identity = load_or_create(path)
    addrs = _ask("status")["addrs"] if _is_running() else []
    result = {
        "peer_id": identity.peer_id,
        "public_key": "0x" + identity.compressed.hex(),
        "key_file": path,
        "addrs": addrs,
    }

    def human(_: Any) -> None:
        out.line(identity.peer_id)
        for address in addrs:
            out.line(address)

    out.result(result, human)


@app.command()
def peers() -> None:
    """List the peers that this home's running node is connected to.

    Examples:
      joynet p2p peers
    """
    found = _ask("peers")
    rows = [(p["peer_id"], p["address"], "in" if p["is_inbound"] else "out") for p in found]
    out.result(found, lambda _: out.table(("Peer", "Address", "Direction"), rows))


@app.command()
def connect(address: AddressArg) -> None:
    """Connect the running node to a peer; without a node, see whether the peer answers.

    Examples:
      joynet p2p connect /ip4/127.0.0.1/tcp/4001/p2p/16Uiu2HAm...
    """
    from joynet_sdk.p2p.host import dial_and_ping, parse_peer_address

    peer_id = parse_peer_address(address)
    stop_if_dry_run(f"connect to {peer_id}")
    if not _is_running():
        times = asyncio.run(dial_and_ping(address, 1))
        result = {"peer_id": peer_id, "kept": False, "ms": round(times[0], 3)}
        text = f"{peer_id} answers in {times[0]:.1f} ms; no node runs here to stay connected"
    else:
        _ask("connect", address=address)
        result = {"peer_id": peer_id, "kept": True, "ms": None}
        text = f"connected to {peer_id}"
    out.result(result, lambda _: out.line(text))


@app.command()
def ping(
    peer: Annotated[
        str, typer.Argument(metavar="ADDRESS|PEER_ID", help="A peer id needs a running node.")
    ],
    count: Annotated[int, typer.Option("--count", "-c", min=1, max=100, help="Round trips.")] = 3,
) -> None:
    """Measure round trips to a peer.

    Examples:
      joynet p2p ping /ip4/127.0.0.1/tcp/4001/p2p/16Uiu2HAm...
      joynet p2p ping 16Uiu2HAm... --count 10
    """
    times = _ping(peer, count)
    result = {
        "peer": peer,
        "count": count,
        "min_ms": round(min(times), 3),
        "median_ms": round(statistics.median(times), 3),
        "max_ms": round(max(times), 3),
    }
    out.result(result)


def _ping(peer: str, count: int) -> list[float]:
    from joynet_sdk.p2p.host import dial_and_ping, parse_peer_address
    from joynet_sdk.p2p.identity import compressed_of

    peer_id = peer
    if peer.startswith("/"):
        peer_id = parse_peer_address(peer)
        if not _is_running():
            return asyncio.run(dial_and_ping(peer, count))
        _ask("connect", address=peer)
    else:
        compressed_of(peer)
    return [_ask("ping", peer_id=peer_id)["ms"] for _ in range(count)]
