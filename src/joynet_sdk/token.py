"""JOY at stake: what a vault has, put more there, take it back (docs/spec/money.md)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn

from joynet_sdk.errors import (
    InsufficientFundsError,
    InvalidInputError,
    NotFoundError,
    PendingError,
)
from joynet_sdk.ports import Chain, Flows, Run
from joynet_sdk.types import Address, JoyWei
from joynet_sdk.units import format_joy

REMOVE_FLOW, WITHDRAW_FLOW = "stake.remove", "stake.withdraw"
MAX_TICKETS = 16  # of a vault at a time, as JoyToken has it
NOBODY = "0x" + "0" * 40


@dataclass(frozen=True, slots=True)
class Provision:
    """Stake at the disposal of a service, in wei.

    Attributes:
        name: The service's name in the deployment; "" for a contract that is not part of it.
        active: Votes, earns, can be slashed.
        thawing: On its way out; can still be slashed.
        thaw_ends: Unix second from which the thawing part can leave; 0 if nothing thaws.
    """

    service: Address
    name: str
    active: JoyWei
    thawing: JoyWei
    thaw_ends: int


@dataclass(frozen=True, slots=True)
class Ticket:
    """Stake that was removed and waits to be withdrawn.

    Attributes:
        amount: Wei left of it: a slash of thawing stake may take some.
        ends_at: Unix second from which it can be withdrawn.
    """

    number: int
    amount: JoyWei
    ends_at: int


@dataclass(frozen=True, slots=True)
class Stake:
    """What an account has at stake, in wei.

    Attributes:
        wallet: JOY that is not at stake.
        staked: Votes and earns; what is provisioned is part of it.
        free: Of it, what can be provisioned: in no provision, thawing ones included.
        removable: Of it, what can be removed at once: not actively provisioned.
        votes: Stake delegated to the account, its own included unless it delegated that.
        delegate: Who votes with its stake; None before the first stake.
        rewards: Earned and not claimed.
        delay_s: Seconds that a removal started now would take.
        now: Unix second of the chain when this was read.
    """

    account: Address
    wallet: JoyWei
    staked: JoyWei
    free: JoyWei
    removable: JoyWei
    votes: JoyWei
    delegate: Address | None
    rewards: JoyWei
    delay_s: int
    now: int
    provisions: tuple[Provision, ...]
    tickets: tuple[Ticket, ...]


class Staking:
    """Reached as `JoyNet().staking`."""

    def __init__(self, chain: Chain, flows: Flows) -> None:
        self._chain, self._flows = chain, flows

    @property
    def _token(self) -> Any:
        return self._chain.contract("JoyToken")

    def position(self, account: Address | None = None) -> Stake:
        """What an account has at stake; the session's own by default."""
        who, token = account or Address(self._chain.account.address), self._token
        vault, delegate = token.call("vault", who), token.call("delegates", who)
        return Stake(
            account=who,
            wallet=token.call("balanceOf", who),
            staked=vault["staked"],
            free=token.call("free_stake", who),
            removable=JoyWei(vault["staked"] - vault["active"]),
            votes=token.call("getVotes", who),
            delegate=None if delegate == NOBODY else Address(delegate),
            rewards=token.call("rewards_of", who),
            delay_s=token.call("unbonding_delay"),
            now=self._chain.now(),
            provisions=tuple(self._provisions(who)),
            tickets=tuple(
                Ticket(each["ticket"], each["amount"], each["ends_at"])
                for each in token.call("tickets", who)
            ),
        )

    def _provisions(self, vault: Address) -> Iterator[Provision]:
        """Provisions that hold something, by the events: of services no longer admitted too."""
        token, deployed = self._token, self._chain.deployment
        names = {found.address: name for name, found in deployed.contracts.items()}
        events = token.events("Provisioned", deployed.first_block, filters={"vault": vault})
        for service in dict.fromkeys(event.args["service"] for event in events):
            active, thawing = (
                token.call(f, vault, service) for f in ("provision_of", "thawing_of")
            )
            if active or thawing:
                ends = token.call("thaw_ends", vault, service)
                yield Provision(Address(service), names.get(service, ""), active, thawing, ends)

    def add(self, amount: JoyWei) -> None:
        """Stake JOY: from the next block on it votes, and it earns.

        Raises:
            InvalidInputError: `amount` is 0.
            InsufficientFundsError: The account holds less.
        """
        _check_positive(amount)
        have = self._token.call("balanceOf", self._chain.account.address)
        if have < amount:
            raise InsufficientFundsError("JOY to stake", have, amount, hint="joynet token balance")
        self._token.transact("stake", amount)

    def provision(self, service: Address, amount: JoyWei) -> None:
        """Put free stake at the disposal of a service, which may slash it.

        Raises:
            InvalidInputError: `amount` is 0, or governance did not admit the service.
            InsufficientFundsError: Less stake is free.
        """
        _check_positive(amount)
        if not self._token.call("is_service", service):
            raise InvalidInputError(
                f"{service} is no service admitted to hold stake",
                hint="joynet stake provision NodeCoordinator AMOUNT",
            )
        free = self._token.call("free_stake", self._chain.account.address)
        if free < amount:
            hint = f"joynet stake add {_joy(amount - free)}"
            raise InsufficientFundsError("free stake", free, amount, hint=hint)
        self._token.transact("provision", service, amount)

    def remove(self, amount: JoyWei, service: Address | None = None) -> Ticket:
        """Take stake out of staking: a ticket, to withdraw once the delay is over.

        Args:
            service: Take it back from this service first. Both delays then run at once, and
                until `withdraw` it can be slashed.

        Raises:
            InvalidInputError: `amount` is 0, or there are 16 tickets.
            InsufficientFundsError: Less is staked, or the rest is provisioned.
        """
        _check_positive(amount)
        found = self.position()
        if len(found.tickets) == MAX_TICKETS:
            raise InvalidInputError(
                f"{found.account} has {MAX_TICKETS} tickets, expected fewer for one more",
                hint="joynet stake withdraw, once one is due",
            )
        if service is None:
            _check_removable(found, amount)
            receipt = self._token.transact("request_unstake", amount)
            return _ticket(receipt.event("UnstakeRequested").args)
        held = next((each for each in found.provisions if each.service == service), None)
        active = held.active if held else 0
        if active < amount:
            where = (held and held.name) or service
            raise InsufficientFundsError(
                f"stake provisioned to {where}", active, amount, hint="joynet stake show"
            )
        args = {"service": service, "amount": str(amount)}
        made = self._flows(REMOVE_FLOW, f"take {format_joy(amount)} out of stake", args)
        return _ticket(made)

    def withdraw(self) -> JoyWei:
        """End every thaw that is over, and get back every ticket that is due: one resumable job.

        Returns:
            Wei paid; 0 if a thaw ended and no ticket was due.

        Raises:
            NotFoundError: Nothing was removed.
            PendingError: Nothing is due yet.
        """
        found = self.position()
        thawed = [each for each in found.provisions if each.thawing and each.thaw_ends <= found.now]
        due = _due(found, sum(each.thawing for each in thawed))
        if not thawed and not due:
            _refuse(found)
        args = {
            "services": [each.service for each in thawed],
            "tickets": [each.number for each in due],
        }
        title = f"withdraw {format_joy(sum(each.amount for each in due))} from stake"
        return JoyWei(int(self._flows(WITHDRAW_FLOW, title, args)))

    def claim(self) -> JoyWei:
        """Collect the rewards.

        Returns:
            Wei paid.

        Raises:
            NotFoundError: Nothing was earned since the last time.
        """
        me = self._chain.account.address
        if not self._token.call("rewards_of", me):
            raise NotFoundError("rewards of", me, hint="joynet stake show")
        receipt = self._token.transact("claim_rewards")
        return JoyWei(receipt.event("RewardsClaimed").args["amount"])


def remove_flow(run: Run) -> dict[str, int]:
    """request_deprovision, request_unstake; returns the arguments of `UnstakeRequested`."""
    token, amount = run.session.contract("JoyToken"), int(run.args["amount"])
    run.transact("deprovision", token, "request_deprovision", run.args["service"], amount)
    receipt = run.transact("unstake", token, "request_unstake", amount)
    found = receipt.event("UnstakeRequested").args
    return {key: found[key] for key in ("ticket", "amount", "ends_at")}


def withdraw_flow(run: Run) -> int:
    """finish_deprovision of each service, then withdraw_unstaked of each ticket."""
    token, paid = run.session.contract("JoyToken"), 0
    for service in run.args["services"]:
        run.transact(f"finish {service}", token, "finish_deprovision", service)
    for ticket in run.args["tickets"]:
        receipt = run.transact(f"ticket {ticket}", token, "withdraw_unstaked", ticket)
        paid += receipt.event("UnstakeWithdrawn").args["amount"]
    return paid


def _ticket(args: dict[str, Any]) -> Ticket:
    return Ticket(args["ticket"], args["amount"], args["ends_at"])


def _due(found: Stake, thawed: int) -> list[Ticket]:
    """Tickets that can be withdrawn once `thawed` wei have left their provisions.

    What stays behind must cover every provision (docs/spec/money.md).
    """
    used = sum(each.active + each.thawing for each in found.provisions) - thawed
    left = found.staked + sum(each.amount for each in found.tickets)
    due = []
    for ticket in found.tickets:
        if ticket.ends_at <= found.now and used + ticket.amount <= left:
            left -= ticket.amount
            due.append(ticket)
    return due


def _refuse(found: Stake) -> NoReturn:
    """Say why nothing can be withdrawn, and from when on something can."""
    thaws = [each.thaw_ends for each in found.provisions if each.thawing]
    ends = [each.ends_at for each in found.tickets] + thaws
    if not ends:
        raise NotFoundError(
            "stake to withdraw of", found.account, hint="joynet stake remove AMOUNT first"
        )
    # A ticket past its end that is not due backs a thaw: then that thaw's end counts.
    first = min(end for end in ends if end > found.now)
    raise PendingError(
        f"nothing can be withdrawn before {datetime.fromtimestamp(first, UTC):%Y-%m-%d %H:%M} UTC",
        hint=f"wait; on a devnet: joynet devnet time-travel {first - found.now}",
    )


def _check_removable(found: Stake, amount: int) -> None:
    if found.removable >= amount:
        return
    held = max(found.provisions, key=lambda each: each.active, default=None)
    hint = "joynet stake show"
    if held and found.staked >= amount:
        where = held.name or held.service
        hint = f"the rest is provisioned: joynet stake remove {_joy(amount)} --from {where}"
    raise InsufficientFundsError("stake that no service holds", found.removable, amount, hint=hint)


def _check_positive(amount: int) -> None:
    if amount <= 0:
        raise InvalidInputError(f"amount is {amount} wei, expected more than 0")


def _joy(amount: int) -> str:
    """As a person types it: no unit, no thousands separators."""
    return format_joy(amount).removesuffix(" JOY").replace(",", "")
