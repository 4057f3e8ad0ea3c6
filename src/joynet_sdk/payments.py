"""Escrow: what a client has set aside to pay nodes with (docs/spec/money.md)."""

import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from joynet_sdk.errors import (
    InsufficientFundsError,
    InvalidInputError,
    NotFoundError,
    PendingError,
)
from joynet_sdk.ports import Chain, Flows, Run
from joynet_sdk.types import Address, JoyWei
from joynet_sdk.units import format_joy

TOP_UP_CALLS = 50  # an allocation is made for this many calls at once, if the balance allows


@dataclass(frozen=True, slots=True)
class Balance:
    """A payer's money, in wei of JOY.

    Attributes:
        wallet: In the account.
        free: In escrow, not set aside for any node.
        allocated: In escrow, set aside for nodes and not redeemed (of the operators asked about).
    """

    wallet: JoyWei
    free: JoyWei
    allocated: JoyWei


class Payments:
    """Reached as `JoyNet().payments`."""

    def __init__(self, chain: Chain, flows: Flows) -> None:
        self._chain, self._flows = chain, flows
        self._allocating = threading.Lock()

    def balance(self, operators: list[Address] | None = None) -> Balance:
        """The account's wallet and escrow.

        Args:
            operators: Whose allocations to count; every one the account ever made by default.
        """
        coordinator = self._chain.contract("NodeCoordinator")
        payer = self._chain.account.address
        counted = self.operators() if operators is None else operators
        allocations = [coordinator.call("allocation", payer, each) for each in counted]
        return Balance(
            wallet=JoyWei(self._chain.contract("JoyToken").call("balanceOf", payer)),
            free=self._free(),
            allocated=JoyWei(sum(a["amount"] - a["redeemed"] for a in allocations)),
        )

    def _free(self) -> JoyWei:
        coordinator = self._chain.contract("NodeCoordinator")
        return JoyWei(coordinator.call("free_balance", self._chain.account.address))

    def operators(self) -> list[Address]:
        """An operator of each node this account ever set escrow aside for, from the events."""
        events = self._chain.contract("NodeCoordinator").events(
            "Allocated", filters={"payer": self._chain.account.address}
        )
        by_node = {event.args["node_id"]: Address(event.args["operator"]) for event in events}
        return [by_node[node_id] for node_id in sorted(by_node)]

    def deposit(self, amount: JoyWei) -> None:
        """Move JOY from the wallet into escrow: approve exactly `amount`, then deposit it.

        Raises:
            InsufficientFundsError: The wallet holds less.
        """
        _check_positive(amount)
        have = self._chain.contract("JoyToken").call("balanceOf", self._chain.account.address)
        if have < amount:
            raise InsufficientFundsError("JOY", have, amount, hint="joynet token balance")
        self._flows("payment.deposit", f"deposit {format_joy(amount)}", {"amount": str(amount)})

    def withdraw(self, amount: JoyWei) -> None:
        """Move JOY from the free part of the escrow back to the wallet.

        Raises:
            InsufficientFundsError: Less is free; what is allocated must thaw first.
        """
        _check_positive(amount)
        free = self._free()
        if free < amount:
            raise InsufficientFundsError(
                "free escrow", free, amount, hint="joynet payment deallocate OPERATOR AMOUNT"
            )
        self._chain.contract("NodeCoordinator").transact("withdraw", amount)

    def allocate(self, operator: Address, amount: JoyWei) -> None:
        """Set free escrow aside for the node of an operator.

        Raises:
            NotFoundError: No node has this operator.
            InsufficientFundsError: Less is free.
        """
        _check_positive(amount)
        self._allocation(operator)
        free = self._free()
        if free < amount:
            raise InsufficientFundsError(
                "free escrow", free, amount, hint=_deposit_hint(amount - free)
            )
        self._chain.contract("NodeCoordinator").transact("allocate", operator, amount)

    def deallocate(self, operator: Address, amount: JoyWei) -> None:
        """Start to take an allocation back; it thaws first, and the node may redeem meanwhile.

        Raises:
            NotFoundError: No node has this operator.
            InsufficientFundsError: Less is allocated, not thawing and not redeemed.
        """
        _check_positive(amount)
        held = self._allocation(operator)
        have = held["amount"] - held["redeemed"] - held["thawing"]
        if have < amount:
            raise InsufficientFundsError(
                "allocated escrow",
                have,
                amount,
                hint=f"joynet payment balance --operator {operator}",
            )
        self._chain.contract("NodeCoordinator").transact("request_deallocate", operator, amount)

    def finish_deallocate(self, operator: Address) -> None:
        """Move what has thawed back to the free balance.

        Raises:
            NotFoundError: Nothing is thawing.
            PendingError: It is still thawing.
        """
        ends = self._allocation(operator)["thaw_ends"]
        if not ends:
            raise NotFoundError(
                "thaw at operator", operator, hint=f"joynet payment deallocate {operator} AMOUNT"
            )
        if self._chain.now() < ends:
            until = datetime.fromtimestamp(ends, UTC)
            raise PendingError(
                f"the escrow at {operator} thaws until {until:%Y-%m-%d %H:%M:%S} UTC",
                hint=f"then again: joynet payment deallocate {operator}",
            )
        self._chain.contract("NodeCoordinator").transact("finish_deallocate", operator)

    def ensure_allocation(self, operator: Address, promised: int, price: int) -> None:
        """Make sure one more call is covered, setting more aside if need be.

        Threads take turns, so that concurrent calls do not each set aside a supply of their own.

        Args:
            promised: Wei of all vouchers ever signed for the operator.
            price: Wei of the next call.

        Raises:
            InsufficientFundsError: Neither the allocation nor the free balance covers it.
        """
        coordinator = self._chain.contract("NodeCoordinator")
        payer = self._chain.account.address
        with self._allocating:
            allocation = coordinator.call("allocation", payer, operator)
            missing = promised + price - (allocation["amount"] - allocation["thawing"])
            if missing <= 0:
                return
            free = int(coordinator.call("free_balance", payer))
            if free < missing:
                raise InsufficientFundsError("escrow", free, missing, hint=_deposit_hint(missing))
            supply = min(free, missing + price * (TOP_UP_CALLS - 1))
            coordinator.transact("allocate", operator, supply)

    def _allocation(self, operator: Address) -> dict[str, Any]:
        coordinator = self._chain.contract("NodeCoordinator")
        if not coordinator.call("node_of_operator", operator):
            raise NotFoundError(
                "node of operator",
                operator,
                hint="joynet infer run REF INPUT --explain names operators",
            )
        held: dict[str, Any] = coordinator.call("allocation", self._chain.account.address, operator)
        return held


def deposit_flow(run: Run) -> None:
    """approve, then deposit."""
    amount = int(run.args["amount"])
    coordinator = run.session.contract("NodeCoordinator")
    token = run.session.contract("JoyToken")
    run.approve(token, coordinator.address, amount, before="deposit")
    run.transact("deposit", coordinator, "deposit", amount)


def _check_positive(amount: int) -> None:
    if amount <= 0:
        raise InvalidInputError(f"amount is {amount} wei, expected more than 0")


def _deposit_hint(amount: int) -> str:
    return f"joynet payment deposit {format_joy(amount).removesuffix(' JOY').replace(',', '')}"
