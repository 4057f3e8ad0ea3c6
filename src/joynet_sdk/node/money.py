"""The node's side of the escrow: what payers set aside for it, and redeeming their vouchers."""

import asyncio
import time
from dataclasses import asdict

from joynet_sdk.errors import RevertedError
from joynet_sdk.logs import get_logger
from joynet_sdk.node.ledger import HeldVoucher, Ledger
from joynet_sdk.ports import Chain
from joynet_sdk.types import Address

log = get_logger(__name__)

FRESH_S = 10.0  # an allocation only shrinks by a thaw, which takes far longer
BATCH = 16  # vouchers per transaction, as the contract takes them


class EscrowView:
    """Allocations to this node, remembered for a few seconds so that calls need no chain access."""

    def __init__(self, chain: Chain, operator: Address) -> None:
        self._coordinator = chain.contract("NodeCoordinator")
        self._operator = operator
        self._seen: dict[Address, tuple[float, int]] = {}

    async def available(self, payer: Address, needed: int) -> int:
        """Wei of the payer's allocation that this node has not redeemed."""
        checked, wei = self._seen.get(payer, (0.0, 0))
        if time.monotonic() - checked > FRESH_S or wei < needed:
            wei = await asyncio.to_thread(self._read, payer)
            self._seen[payer] = (time.monotonic(), wei)
        return wei

    def forget(self) -> None:
        """Read every allocation again on next use."""
        self._seen.clear()

    def _read(self, payer: Address) -> int:
        allocation = self._coordinator.call("allocation", payer, self._operator)
        return int(allocation["amount"] - allocation["redeemed"])


class Redeemer:
    """Turns held vouchers into earnings, in bulk."""

    def __init__(self, chain: Chain, node_id: int, operator: Address, ledger: Ledger) -> None:
        self._chain, self._node_id, self._operator = chain, node_id, operator
        self._ledger = ledger
        self._coordinator = chain.contract("NodeCoordinator")
        self._busy = asyncio.Lock()

    def outstanding(self) -> int:
        """Wei promised to this node and not yet redeemed."""
        return sum(held.voucher.amount - held.redeemed for held in self._ledger.unredeemed())

    async def redeem(self) -> int:
        """Redeem everything; returns the wei taken from escrows."""
        async with self._busy:
            await asyncio.to_thread(self._sync)  # an earlier run may have died after redeeming
            before = self.outstanding()
            held = self._ledger.unredeemed()
            for start in range(0, len(held), BATCH):
                await asyncio.to_thread(self._redeem_batch, held[start : start + BATCH])
            taken = before - self.outstanding()
        if held:
            log.info("redeemed", vouchers=len(held), wei=str(taken))
        return taken

    def _redeem_batch(self, batch: list[HeldVoucher]) -> None:
        vouchers = [asdict(held.voucher) for held in batch]
        try:
            self._coordinator.transact("redeem", vouchers, [held.signature for held in batch])
        except RevertedError as error:
            log.warning("redeem_reverted", vouchers=len(batch), reason=error.reason)
        self._sync()

    def _sync(self) -> None:
        """Take over from the contract what it has paid on each open channel."""
        for held in self._ledger.unredeemed():
            voucher = held.voucher
            _, amount = self._coordinator.call(
                "channel", voucher.payer, voucher.operator, voucher.model_id, voucher.lane
            )
            if amount != held.redeemed:
                self._ledger.set_redeemed(voucher, amount)

    async def redeem_if_thawing(self) -> None:
        """Redeem at once when a payer with open vouchers starts to take its escrow back."""
        payers = {held.voucher.payer for held in self._ledger.unredeemed()}
        for payer in payers:
            allocation = await asyncio.to_thread(
                self._coordinator.call, "allocation", payer, self._operator
            )
            if allocation["thawing"]:
                log.info("thaw_seen", payer=payer)
                await self.redeem()
                return
