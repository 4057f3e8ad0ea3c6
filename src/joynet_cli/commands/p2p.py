"""`joynet p2p`: who this home is among peers, and who it can reach."""

import asyncio
import statistics
from typing import TYPE_CHECKING, Annotated, Any

import typer

from joynet_cli._output import out
from joynet_cli._session import ctx

if TYPE_CHECKING:
    from joynet_sdk.p2p.control import RunningNode

app = typer.Typer(help="Look at the peer-to-peer network.", no_args_is_help=True)

AddressArg = Annotated[
    str, typer.Argument(metavar="ADDRESS", help="/ip4/HOST/tcp/PORT/p2p/PEER_ID.")
]


def _node() -> "RunningNode | None":
    from joynet_sdk.p2p.control import RunningNode

    return RunningNode.of(ctx().home)


@app.command("id")
def show_id() -> None:
    """Show this home's peer id; the first use makes its key.

    Examples:
      joynet p2p id
      joynet p2p id --json
    """
    from joynet_sdk.p2p.identity import load_or_create, peer_key_path

    path = peer_key_path(ctx().home)
    identity = load_or_create(path)
    node = _node()
    addrs = asyncio.run(node.show())["addrs"] if node else []
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
    from joynet_sdk.errors import UnavailableError

    node = _node()
    if node is None:
        raise UnavailableError("no node runs in this home", hint="joynet node start")
    found = asyncio.run(node.peers())
    rows = [(p["peer_id"], p["address"], "in" if p["is_inbound"] else "out") for p in found]
    out.result(found, lambda _: out.table(("Peer", "Address", "Direction"), rows))


@app.command()
def connect(address: AddressArg) -> None:
    """Connect the running node to a peer; without a node, see whether the peer answers.

    Examples:
      joynet p2p connect /ip4/127.0.0.1/tcp/4001/p2p/16Uiu2HAm...
    """
    from joynet_sdk.p2p.control import dial_and_ping
    from joynet_sdk.p2p.host import parse_peer_address

    peer_id, node = parse_peer_address(address), _node()
    if node is None:
        times = asyncio.run(dial_and_ping(address, 1))
        result = {"peer_id": peer_id, "kept": False, "ms": round(times[0], 3)}
        text = f"{peer_id} answers in {times[0]:.1f} ms; no node runs here to stay connected"
    else:
        asyncio.run(node.connect(address))
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
    times = asyncio.run(_ping(peer, count))
    result = {
        "peer": peer,
        "count": count,
        "min_ms": round(min(times), 3),
        "median_ms": round(statistics.median(times), 3),
        "max_ms": round(max(times), 3),
    }
    out.result(result)


async def _ping(peer: str, count: int) -> list[float]:
    from joynet_sdk.errors import UnavailableError
    from joynet_sdk.p2p.control import dial_and_ping
    from joynet_sdk.p2p.host import parse_peer_address
    from joynet_sdk.p2p.identity import compressed_of

    node = _node()
    if peer.startswith("/"):
        peer_id = parse_peer_address(peer)
        if node is None:
            return await dial_and_ping(peer, count)
        await node.connect(peer)
    else:
        compressed_of(peer)
        if node is None:
            raise UnavailableError(
                "no node runs in this home", hint="give an address, or: joynet node start"
            )
        peer_id = peer
    return [await node.ping(peer_id) for _ in range(count)]
