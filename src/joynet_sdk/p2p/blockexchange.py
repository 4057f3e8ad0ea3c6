"""Bitswap, the one block exchange: serve a store's blocks, fetch whole DAGs into it."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from joynet_sdk.errors import NotFoundError, UnavailableError
from joynet_sdk.formats import Cid, decode_cid
from joynet_sdk.p2p.identity import compressed_of

if TYPE_CHECKING:
    from joynet_sdk.p2p.bitswap import Bitswap, Traffic
    from joynet_sdk.p2p.host import BlockStore, P2PHost

MAX_DAG_BYTES = 64 * 1024**3


@dataclass(frozen=True, slots=True)
class FetchProgress:
    """How far a fetch is.

    Attributes:
        blocks: Blocks that are in the store.
        bytes_done: Their bytes.
        bytes_fetched: Those that came over the network; the others were there before.
        bytes_expected: What the DAG's root claims in all; never below `bytes_done`.
    """

    blocks: int
    bytes_done: int
    bytes_fetched: int
    bytes_expected: int


class BlockExchange:
    """Made by P2PHost when it has a block store."""

    def __init__(self, host: "P2PHost", store: "BlockStore") -> None:
        self._host, self._store = host, store
        self._bitswap: Bitswap | None = None

    async def start(self) -> None:
        """Serve the store; P2PHost.start calls this."""
        self._bitswap = await self._host.call(self._serve)

    async def fetch(
        self,
        cid: Cid | str,
        providers: Sequence[str] = (),
        *,
        timeout_s: float = 600.0,
        idle_s: float = 10.0,
        max_bytes: int = MAX_DAG_BYTES,
        progress: Callable[[FetchProgress], None] | None = None,
    ) -> FetchProgress:
        """Bring a DAG into the store, every block verified against its CID.

        Blocks already there are not fetched again, so a fetch that was cut short goes on where it
        was. Cancelling stops it; what arrived stays.

        Args:
            providers: Peer ids of connected peers to ask; all connected peers when empty.
            timeout_s: Seconds for all of it.
            idle_s: Seconds without a block from a peer after which another one is asked.
            max_bytes: Bytes that are accepted over the network.
            progress: Called on this loop after each block.

        Raises:
            NotFoundError: No provider has some block.
            UnavailableError: Nobody to ask, or nobody delivers, or `timeout_s` passed.
            VerificationError: A block is no dag-pb node, or the DAG passes `max_bytes`.
        """
        for peer_id in providers:
            compressed_of(peer_id)
        root = decode_cid(cid) if isinstance(cid, str) else cid
        peers = list(providers) or [peer.peer_id for peer in await self._host.peers()]
        loop = asyncio.get_running_loop()

        def report(done: FetchProgress) -> None:
            if progress is not None:
                loop.call_soon_threadsafe(progress, done)

        try:
            async with asyncio.timeout(timeout_s):
                return await self._host.call(self._fetch, root, peers, idle_s, max_bytes, report)
        except TimeoutError:
            raise UnavailableError(
                f"{root} did not arrive within {timeout_s:g} s", hint="fetch it again to go on"
            ) from None

    async def block(
        self, cid: Cid, providers: Sequence[str] = (), *, idle_s: float = 10.0
    ) -> tuple[bytes, int]:
        """One block and nothing below it: from the store, or from the first peer that has it.

        What comes over the network is kept in the store.

        Args:
            providers: Peer ids of connected peers to ask; all connected peers when empty.
            idle_s: Seconds that each of them may take.

        Returns:
            The verified bytes, and how many of them came over the network.

        Raises:
            NotFoundError: No provider has it.
            UnavailableError: Nobody to ask, or nobody delivers.
        """
        for peer_id in providers:
            compressed_of(peer_id)
        peers = list(providers) or [peer.peer_id for peer in await self._host.peers()]
        return await self._host.call(self._block, cid, peers, idle_s)

    async def _block(self, cid: Cid, peers: list[str], idle_s: float) -> tuple[bytes, int]:
        import trio

        from joynet_sdk.p2p.bitswap import read_block

        data = await read_block(self._store, cid)
        if data is not None:
            return data, 0
        data = await self._ask(cid, peers, idle_s)
        await trio.to_thread.run_sync(self._store.put, cid, data)
        return data, len(data)

    async def _ask(self, cid: Cid, peers: list[str], idle_s: float) -> bytes:
        import trio
        from libp2p.peer.id import ID

        from joynet_sdk.p2p.bitswap import Missing

        problem: UnavailableError | None = None
        for peer in map(ID.from_base58, peers):
            try:
                return await self._running().get(cid, peer, idle_s)
            except Missing:
                continue
            except UnavailableError as error:
                problem = error
            finally:
                with trio.CancelScope(shield=True):  # every wait inside is bounded
                    await self._running().release(peer)
        if problem is not None:
            raise UnavailableError(f"block {cid}: {problem}", hint="try again later")
        raise NotFoundError("block", f"{cid} (asked {len(peers)} peers)")

    async def traffic(self) -> "Traffic":
        """Blocks and bytes sent and received since the start."""
        return self._running().traffic

    async def _serve(self) -> "Bitswap":
        from joynet_sdk.p2p.bitswap import Bitswap

        return Bitswap(self._host.running_node(), self._store)

    async def _fetch(
        self,
        root: Cid,
        peers: list[str],
        idle_s: float,
        max_bytes: int,
        report: Callable[[FetchProgress], None],
    ) -> FetchProgress:
        from libp2p.peer.id import ID

        from joynet_sdk.p2p.dagfetch import DagFetch

        ids = [ID.from_base58(peer) for peer in peers]
        run = DagFetch(self._running(), self._store, root, ids, idle_s, max_bytes, report)
        return await run.run()

    def _running(self) -> "Bitswap":
        if self._bitswap is None:
            raise UnavailableError("the block exchange is not started")
        return self._bitswap
