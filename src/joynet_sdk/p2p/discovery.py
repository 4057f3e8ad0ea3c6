"""Which peers to be connected to: bootstrap peers always, peers of heartbeats when asked.

mDNS is off and libp2p 0.8.1's kad-dht is not used: nodes are found by their heartbeats and by the
endpoints they register on chain, so a host talks only to whom it was told about.
"""

import logging
import random
from collections.abc import Iterable
from typing import TYPE_CHECKING

from joynet_sdk.errors import InvalidInputError, UnavailableError
from joynet_sdk.p2p.host import P2PHost, parse_peer_address

if TYPE_CHECKING:
    from joynet_sdk.p2p.node import TrioNode

log = logging.getLogger(__name__)

CHECK_EVERY_S = 1.0
BACKOFF_S, MAX_BACKOFF_S = 0.5, 60.0
MAX_DIALS = 8


async def keep_connected(node: "TrioNode", address: str) -> None:
    """Stay connected to a bootstrap peer for as long as the node runs (trio side).

    The first dial happens in the background: a bootstrap peer that is down delays nothing.
    """
    node.start_soon(_keep_connected, node, address)


async def _keep_connected(node: "TrioNode", address: str) -> None:
    import trio

    peer_id, delay = parse_peer_address(address), BACKOFF_S
    while True:
        if node.is_connected(peer_id):
            delay = BACKOFF_S
            await trio.sleep(CHECK_EVERY_S)
            continue
        try:
            await node.connect(address)
        except InvalidInputError:
            return  # it is ourselves: one list of bootstrap peers may serve every node
        except UnavailableError as error:
            log.info("bootstrap peer %s: %s; next try in %.1f s", peer_id, error, delay)
            await trio.sleep(delay * random.uniform(0.8, 1.2))
            delay = min(delay * 2, MAX_BACKOFF_S)


async def dial_peers(
    host: P2PHost, addresses: Iterable[str], limit: int = MAX_DIALS
) -> dict[str, str]:
    """Connect to at most `limit` peers, one address each at a time.

    Args:
        addresses: E.g. the `addrs` of the heartbeats of nodes that serve a wanted model; ones that
            are malformed, ours, or of a peer already connected are skipped.

    Returns:
        Peer id -> the address that answered; peers that did not answer are left out.
    """
    by_peer: dict[str, list[str]] = {}
    for address in addresses:
        try:
            by_peer.setdefault(parse_peer_address(address), []).append(address)
        except InvalidInputError as error:
            log.info("skipped: %s", error)
    connected = {peer.peer_id for peer in await host.peers()}
    wanted = [peer for peer in by_peer if peer not in connected and peer != host.peer_id]
    found: dict[str, str] = {}
    for peer in wanted[:limit]:
        for address in by_peer[peer]:
            try:
                await host.connect(address)
            except UnavailableError as error:
                log.info("peer %s: %s", peer, error)
            else:
                found[peer] = address
                break
    return found
