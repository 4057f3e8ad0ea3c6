"""Fetch a whole DAG from several peers (trio side): depth first, bounded, resumable."""

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import trio
from libp2p.peer.id import ID

from joynet_sdk.errors import JoyNetError, NotFoundError, UnavailableError, VerificationError
from joynet_sdk.formats import DAG_PB, Cid
from joynet_sdk.p2p.bitswap import Bitswap, Missing, read_block
from joynet_sdk.p2p.blockexchange import FetchProgress
from joynet_sdk.p2p.dagpb import Link, links
from joynet_sdk.p2p.host import BlockStore
from joynet_sdk.p2p.limits import MAX_BLOCK_BYTES

log = logging.getLogger(__name__)

MAX_IN_FLIGHT = 16  # blocks, so at most 32 MiB that are not stored yet
MAX_FAILURES = 3  # of one peer, after which it is not asked again for this DAG


@dataclass(slots=True)
class _Totals:
    blocks: int = 0
    data: int = 0
    fetched: int = 0
    expected: int = 0


class DagFetch:
    """One run: every block of the DAG under `root` is in the store afterwards.

    Args:
        peers: Whom to ask.
        idle_s: Seconds without any block from a peer after which another one is asked.
        max_bytes: Bytes of the whole DAG that are accepted.
        report: Called after each block.
    """

    def __init__(
        self,
        bitswap: Bitswap,
        store: BlockStore,
        root: Cid,
        peers: list[ID],
        idle_s: float,
        max_bytes: int,
        report: Callable[[FetchProgress], None],
    ) -> None:
        self._bitswap, self._store, self._root = bitswap, store, root
        self._peers, self._idle_s = peers, idle_s
        self._max_bytes, self._report = max_bytes, report
        self._busy: Counter[ID] = Counter()
        self._failures: Counter[ID] = Counter()
        self._stack = [Link(root, 0)]
        self._seen = {root}
        self._active = 0
        self._changed = trio.Event()
        self._error: JoyNetError | None = None
        self._totals = _Totals()

    async def run(self) -> FetchProgress:
        """Fetch what is missing.

        Raises:
            NotFoundError: No peer has some block.
            UnavailableError: The peers that may have it do not deliver.
            VerificationError: A block is not what its link says, or the DAG passes `max_bytes`.
        """
        try:
            async with trio.open_nursery() as nursery:
                while (self._stack or self._active) and self._error is None:
                    while self._stack and self._active < MAX_IN_FLIGHT:
                        self._active += 1
                        nursery.start_soon(self._work, self._stack.pop())
                    await self._changed.wait()
                    self._changed = trio.Event()
                nursery.cancel_scope.cancel()
        finally:
            with trio.CancelScope(shield=True):  # every wait inside is bounded
                for peer in self._peers:
                    await self._bitswap.release(peer)
        if self._error is not None:
            raise self._error
        return self._progress()

    async def _work(self, link: Link) -> None:
        try:
            await self._visit(link)
        except JoyNetError as error:
            self._error = self._error or error
        finally:
            self._active -= 1
            self._changed.set()

    async def _visit(self, link: Link) -> None:
        cid = link.cid
        if cid.codec != DAG_PB and await trio.to_thread.run_sync(self._store.has, cid):
            self._count(link.size)
            return
        data = await read_block(self._store, cid) if cid.codec == DAG_PB else None
        if data is None:
            data = await self._fetch(cid)
            await trio.to_thread.run_sync(self._store.put, cid, data)
            self._totals.fetched += len(data)
        children = links(data) if cid.codec == DAG_PB else []
        if cid == self._root:
            self._totals.expected = len(data) + sum(child.size for child in children)
        for child in reversed(children):
            if child.cid not in self._seen:
                self._seen.add(child.cid)
                self._stack.append(child)
        self._count(len(data))

    async def _fetch(self, cid: Cid) -> bytes:
        """One block from whichever peer has it, the least busy first."""
        tried: set[ID] = set()
        last: UnavailableError | None = None
        while candidates := [peer for peer in self._usable() if peer not in tried]:
            peer = min(candidates, key=lambda each: self._busy[each])
            tried.add(peer)
            self._busy[peer] += 1
            try:
                return await self._bitswap.get(cid, peer, self._idle_s)
            except Missing:
                log.debug("peer %s lacks block %s", peer, cid)
            except UnavailableError as error:
                self._failures[peer] += 1
                last = error
            finally:
                self._busy[peer] -= 1
        if last is not None:
            raise UnavailableError(f"block {cid} of {self._root}: {last}")
        raise NotFoundError("block", f"{cid} (asked {len(tried)} peers)")

    def _usable(self) -> list[ID]:
        return [
            peer
            for peer in self._peers
            if peer not in self._bitswap.liars and self._failures[peer] < MAX_FAILURES
        ]

    def _count(self, size: int) -> None:
        self._totals.blocks += 1
        self._totals.data += size
        if self._totals.fetched > self._max_bytes or len(self._seen) > self._most_blocks():
            raise VerificationError(f"DAG {self._root} passes the limit of {self._max_bytes} bytes")
        self._report(self._progress())

    def _most_blocks(self) -> int:
        """Blocks that an honest DAG of `max_bytes` stays below: 64 KiB each is small."""
        return 1024 + self._max_bytes // (MAX_BLOCK_BYTES // 32)

    def _progress(self) -> FetchProgress:
        totals = self._totals
        return FetchProgress(
            blocks=totals.blocks,
            bytes_done=totals.data,
            bytes_fetched=totals.fetched,
            bytes_expected=max(totals.expected, totals.data),
        )
