"""The node's side of the escrow: what payers set aside for it, and redeeming their vouchers."""

import asyncio
import time
from collections import Counter
from collections.abc import Collection
from dataclasses import asdict
from typing import Any

from joynet_sdk.errors import RevertedError
from joynet_sdk.logs import get_logger
from joynet_sdk.node.ledger import HeldVoucher, Ledger
from joynet_sdk.ports import Chain
from joynet_sdk.receipts import Voucher
from joynet_sdk.types import Address

log = get_logger(__name__)

FRESH_S = 10.0  # what is set aside shrinks only by a thaw, which takes far longer
MAX_PAYERS = 4096  # whose allocation is remembered
READS = 2  # of the chain at once for callers: more wait, and committee votes do not
BATCH = 16  # vouchers per transaction, as the contract takes them


class EscrowView:
    """Allocations to this node, remembered for a few seconds so that calls need no chain access."""

    def __init__(self, chain: Chain, operator: Address) -> None:
        self._coordinator = chain.contract("NodeCoordinator")
        self._operator = operator
        self._seen: dict[Address, tuple[float, int]] = {}
        self._reads = asyncio.Semaphore(READS)

    def allocated(self, payer: Address) -> int:
        """Wei set aside and not thawing, redeemed or not; 0 when not seen lately."""
        checked, wei = self._seen.get(payer, (-FRESH_S, 0))
        return wei if time.monotonic() - checked < FRESH_S else 0

    async def refresh(self, payer: Address) -> None:
        """Read the payer's allocation."""
        allocation = await self._read("allocation", payer, self._operator)
        if len(self._seen) >= MAX_PAYERS:
            self._seen.clear()
        self._seen[payer] = (time.monotonic(), allocation["amount"] - allocation["thawing"])

    async def redeemed(self, payer: Address) -> int:
        """Wei of the payer's escrow that this node ever redeemed."""
        return int((await self._read("allocation", payer, self._operator))["redeemed"])

    async def channel(self, voucher: Voucher) -> tuple[int, int]:
        """(calls, wei) of the highest voucher that the contract saw on the voucher's lane."""
        calls, amount = await self._read("channel", *_channel_of(voucher))
        return int(calls), int(amount)

    async def _read(self, function: str, *args: object) -> Any:
        async with self._reads:
            return await asyncio.to_thread(self._coordinator.call, function, *args)


class Redeemer:
    """Turns held vouchers into earnings, in bulk."""

    def __init__(self, chain: Chain, node_id: int, operator: Address, ledger: Ledger) -> None:
        self._node_id, self._operator, self._ledger = node_id, operator, ledger
        self._coordinator = chain.contract("NodeCoordinator")
        self._busy = asyncio.Lock()

    def outstanding(self) -> int:
        """Wei promised to this node and not yet redeemed."""
        return sum(held.voucher.amount - held.redeemed for held in self._ledger.unredeemed())

    async def redeem(self, only: Collection[Address] | None = None) -> int:
        """Redeem what escrow covers, of all payers or of some; returns the wei taken."""
        async with self._busy:
            return await asyncio.to_thread(self._redeem, only)

    def _redeem(self, only: Collection[Address] | None) -> int:
        self._sync()  # an earlier run may have died after redeeming
        held = self._ledger.unredeemed()
        payers = {h.voucher.payer for h in held if only is None or h.voucher.payer in only}
        covered = {payer for payer in payers if self._left(payer)}
        held = [each for each in held if each.voucher.payer in covered]
        if not held:
            return 0
        taken = sum(
            self._redeem_batch(held[start : start + BATCH]) for start in range(0, len(held), BATCH)
        )
        self._sync()
        log.info("redeemed", node=self._node_id, vouchers=len(held), wei=str(taken))
        return taken

    def _redeem_batch(self, batch: list[HeldVoucher]) -> int:
        """Wei taken; a voucher that the contract refuses does not hold up the others."""
        vouchers = [asdict(held.voucher) for held in batch]
        try:
            receipt = self._coordinator.transact(
                "redeem", vouchers, [held.signature for held in batch]
            )
        except RevertedError as error:
            if len(batch) == 1:
                log.warning("voucher_refused", reason=error.reason, voucher=vouchers[0])
                return 0
            middle = len(batch) // 2
            return self._redeem_batch(batch[:middle]) + self._redeem_batch(batch[middle:])
        return sum(event.args["amount"] for event in receipt.events if event.name == "Redeemed")

    def _left(self, payer: Address) -> int:
        """Wei of the payer's allocation that can still be redeemed."""
        allocation = self._coordinator.call("allocation", payer, self._operator)
        return int(allocation["amount"] - allocation["redeemed"])

    def _sync(self) -> None:
        """Take over from the contract what it has paid on each open channel."""
        for held in self._ledger.unredeemed():
            channel = _channel_of(held.voucher)
            _, seen = self._coordinator.call("channel", *channel)
            paid = seen - self._coordinator.call("unpaid", *channel)
            if paid != held.redeemed:
                self._ledger.set_redeemed(held.voucher, paid)

    async def redeem_if_thawing(self) -> None:
        """Redeem at once from payers that take back escrow which their open vouchers need.

        A thaw that leaves enough waits for the bulk: it costs its payer nothing, redeeming gas.
        """
        open_wei: Counter[Address] = Counter()
        for held in self._ledger.unredeemed():
            open_wei[held.voucher.payer] += held.voucher.amount - held.redeemed
        endangered = []
        for payer, wei in open_wei.items():
            held_for = await asyncio.to_thread(
                self._coordinator.call, "allocation", payer, self._operator
            )
            left = held_for["amount"] - held_for["redeemed"] - held_for["thawing"]
            if held_for["thawing"] and wei > left:
                endangered.append(payer)
        if endangered:
            log.info("thaw_seen", payers=endangered)
            await self.redeem(endangered)


def _channel_of(voucher: Voucher) -> tuple[Address, Address, bytes, int]:
    return voucher.payer, voucher.operator, voucher.model_id, voucher.lane
