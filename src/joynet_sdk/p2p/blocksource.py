"""Blocks of peers as a plain source: what reads files by ranges needs not know of the network."""

import asyncio
from collections.abc import Sequence

from joynet_sdk.errors import UnavailableError, VerificationError
from joynet_sdk.formats import Cid
from joynet_sdk.p2p.blockexchange import BlockExchange

MAX_BYTES = 64 * 1024 * 1024
MAX_BLOCKS = 4096
TIMEOUT_S = 120.0


class PeerBlocks:
    """Blocks from the store, or else from peers, one at a time; used from a worker thread.

    Args:
        exchange: Of a started host.
        loop: The loop that the host lives on; it must go on running meanwhile.
        peers: Peer ids of connected peers to ask.
        max_bytes: That may come over the network, in all.
        max_blocks: Likewise; a file may be cut into blocks of one byte.
        timeout_s: Seconds for everything, from now on.

    Attributes:
        fetched_bytes: That came over the network.
        fetched_blocks: Likewise.
    """

    def __init__(
        self,
        exchange: BlockExchange,
        loop: asyncio.AbstractEventLoop,
        peers: Sequence[str],
        *,
        max_bytes: int = MAX_BYTES,
        max_blocks: int = MAX_BLOCKS,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._exchange, self._loop, self._peers = exchange, loop, list(peers)
        self._max_bytes, self._max_blocks = max_bytes, max_blocks
        self._timeout_s, self._deadline = timeout_s, loop.time() + timeout_s
        self.fetched_bytes = self.fetched_blocks = 0

    def get(self, cid: Cid) -> bytes:
        """A block's verified bytes.

        Raises:
            NotFoundError: No peer has it.
            UnavailableError: They do not deliver, or the time is up.
            VerificationError: More bytes or blocks were fetched than allowed.
        """
        if self.fetched_bytes >= self._max_bytes or self.fetched_blocks >= self._max_blocks:
            raise VerificationError(
                f"{self.fetched_bytes} bytes in {self.fetched_blocks} blocks were fetched, "
                f"expected at most {self._max_bytes} in {self._max_blocks}"
            )
        work = asyncio.run_coroutine_threadsafe(self._get(cid), self._loop)
        data, fetched = work.result()
        self.fetched_bytes += fetched
        self.fetched_blocks += fetched > 0
        return data

    async def _get(self, cid: Cid) -> tuple[bytes, int]:
        try:
            async with asyncio.timeout_at(self._deadline):
                return await self._exchange.block(cid, self._peers)
        except TimeoutError:
            raise UnavailableError(
                f"block {cid} did not arrive within {self._timeout_s:g} s of the start"
            ) from None
