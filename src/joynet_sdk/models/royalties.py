"""Who gets what of a payment, to the wei, and what models earned so far.

The arithmetic is that of contracts/modules/royalty_split.vy, with every account on the way empty
and each model distributed once, after all models that pay it.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from joynet_sdk.errors import InvalidInputError, VerificationError
from joynet_sdk.models.listing import ZERO, Market, Stake
from joynet_sdk.ports import Chain
from joynet_sdk.types import Address, JoyWei, ModelId

BPS = 10_000
MAX_MODELS = 512  # of one family; the contract allows 8 parents on each of 8 levels
MAX_OWNERS = 8


@dataclass(frozen=True, slots=True)
class ClaimedShare:
    """What a parent that was left out claims, or was granted.

    Attributes:
        parent: Model id as 0x hex.
        is_open: Whether it is still contested; its part is then frozen.
    """

    parent: str
    share_bps: int
    is_open: bool


@dataclass(frozen=True, slots=True)
class Shares:
    """How one model's income is shared."""

    owners: Sequence[Stake]
    parents: Sequence[Stake] = ()
    claims: Sequence[ClaimedShare] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """What one distribution gives to whom, in wei.

    Attributes:
        parents: Model id -> wei, of founding and of granted parents.
        owners: Account -> wei.
        frozen: Wei held back for open claims.
    """

    parents: Mapping[str, int]
    owners: Mapping[str, int]
    frozen: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """What one model of the family receives and where it goes."""

    model: str
    level: int
    received: JoyWei
    part: Part


@dataclass(frozen=True, slots=True)
class Preview:
    """Who gets what of a payment.

    Attributes:
        models: The model first, then its parents, each after all that pay it.
        accounts: Account -> wei that it can claim in the end.
        frozen: Wei that open claims hold back.
    """

    amount: JoyWei
    models: Sequence[Receipt]
    accounts: Mapping[str, int]
    frozen: JoyWei


def divide(total: int, shares: Shares) -> Part:
    """One distribution: claimed shares, then founding parents, the rest to the owners.

    Args:
        total: Wei in the model's account.

    Returns:
        Parts that sum to `total`; what rounding leaves goes to the first owner.
    """
    parents: Counter[str] = Counter()
    frozen, room = 0, BPS
    for claim in shares.claims:
        part = total * claim.share_bps // BPS
        room -= claim.share_bps
        if claim.is_open:
            frozen += part
        else:
            parents[claim.parent] += part
    named = sum(parent.share_bps for parent in shares.parents)
    for parent in shares.parents:
        parents[parent.whom] += total * min(named, room) * parent.share_bps // (named * BPS)
    rest = total - parents.total() - frozen
    owners: Counter[str] = Counter()
    for owner in shares.owners:
        owners[owner.whom] += rest * owner.share_bps // BPS
    owners[shares.owners[0].whom] += rest - owners.total()
    return Part(dict(parents), dict(owners), frozen)


def preview(model: str, amount: JoyWei, shares_of: Callable[[str], Shares]) -> Preview:
    """Who gets what of a payment to a model, recursively down its parents.

    Args:
        model: Model id as 0x hex.
        amount: Wei that reach the model's account.
        shares_of: How a model of the family shares.

    Raises:
        InvalidInputError: A negative amount.
        VerificationError: A model is its own ancestor, or the family has over 512 models.
    """
    if amount < 0:
        raise InvalidInputError(f"amount {amount}: expected 0 or more wei")
    shares = _family(model, shares_of)
    accounts: Counter[str] = Counter()
    due: Counter[str] = Counter({model: amount})
    levels = {model: 0}
    receipts = []
    for each in _payers_first(model, shares):
        part = divide(due[each], shares[each])
        receipts.append(Receipt(each, levels[each], JoyWei(due[each]), part))
        for parent, wei in part.parents.items():
            due[parent] += wei
            levels[parent] = max(levels.get(parent, 0), levels[each] + 1)
        accounts.update(part.owners)
    frozen = sum(receipt.part.frozen for receipt in receipts)
    return Preview(amount, receipts, dict(accounts), JoyWei(frozen))


def _family(model: str, shares_of: Callable[[str], Shares]) -> dict[str, Shares]:
    """Every model that a payment can reach."""
    found: dict[str, Shares] = {}
    todo = deque([model])
    while todo:
        each = todo.popleft()
        if each in found:
            continue
        if len(found) == MAX_MODELS:
            raise VerificationError(f"model {model} has over {MAX_MODELS} ancestors")
        found[each] = shares_of(each)
        todo.extend(_paid(found[each]))
    return found


def _paid(shares: Shares) -> Iterator[str]:
    """The models that a distribution pays, each once."""
    yield from dict.fromkeys(
        [parent.whom for parent in shares.parents]
        + [claim.parent for claim in shares.claims if not claim.is_open]
    )


def _payers_first(model: str, family: Mapping[str, Shares]) -> Iterator[str]:
    """Kahn's order: a model comes after all models that pay it."""
    payers = Counter(parent for shares in family.values() for parent in _paid(shares))
    ready, done = deque([model]), 0
    while ready:
        each = ready.popleft()
        done += 1
        yield each
        for parent in _paid(family[each]):
            payers[parent] -= 1
            if not payers[parent]:
                ready.append(parent)
    if done != len(family):
        raise VerificationError(f"model {model} is among its own ancestors")


# --- on the chain ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Movement:
    """One event of a model's money, or of an account's claims.

    Attributes:
        kind: "paid", "distributed" or "claimed".
        amount: Wei.
        time: Unix seconds of the block.
        who: Payer or claimer, or None.
        to_parents, to_owners: Of a distribution, wei.
    """

    block: int
    time: int
    kind: str
    amount: JoyWei
    who: Address | None = None
    to_parents: JoyWei | None = None
    to_owners: JoyWei | None = None


class Royalties:
    """What models earned, on one chain."""

    def __init__(self, chain: Chain) -> None:
        self._chain, self._market = chain, Market(chain)

    def shares(self, model: str) -> Shares:
        """How a model's income is shared now.

        Args:
            model: Model id as 0x hex.
        """
        model_id = ModelId(bytes.fromhex(model[2:]))
        return Shares(
            self._market.owners(model_id),
            self._market.parents(model_id),
            self._claims(model_id),
        )

    def shares_of(self, model_id: ModelId) -> Shares:
        """The same by model id.

        Raises:
            NotFoundError: It was never listed.
        """
        self._market.record(model_id)
        return self.shares("0x" + model_id.hex())

    def _claims(self, model_id: ModelId) -> list[ClaimedShare]:
        return [
            ClaimedShare("0x" + each["parent"].hex(), each["bps"], each["holder"] != ZERO)
            for each in self._market.claims(model_id)
        ]

    def preview(self, model_id: ModelId, amount: JoyWei) -> Preview:
        """Who would get what of a payment to a model now.

        Raises:
            NotFoundError: It was never listed.
        """
        self._market.record(model_id)
        return preview("0x" + model_id.hex(), amount, self.shares)

    def undistributed(self, model_id: ModelId) -> JoyWei:
        """Wei that the model has earned and not distributed yet."""
        return JoyWei(self._market.contract.call("account_of", model_id))

    def claimable(self, owner: Address) -> JoyWei:
        """Wei that `claim` would send to an owner."""
        return JoyWei(self._market.contract.call("claimable", owner))

    def claim(self, model_ids: Sequence[ModelId] = ()) -> JoyWei:
        """Distribute these models' accounts, then claim what is owed to this account.

        Returns:
            Wei received; the contract's outflow limit may hold back the rest until later.
        """
        market = self._market.contract
        for model_id in model_ids:
            if market.call("account_of", model_id):
                market.transact("distribute", model_id)
        if not self.claimable(self._chain.account.address):
            return JoyWei(0)
        return JoyWei(market.transact("claim").event("Claimed").args["amount"])

    def history(self, model_id: ModelId | None, since_block: int | None = None) -> list[Movement]:
        """Payments and distributions of a model, or the claims of this account; oldest first.

        Args:
            model_id: None for the claims.
            since_block: First block; by default the contracts' own.
        """
        market = self._market.contract
        first = self._chain.deployment.first_block if since_block is None else since_block
        found = []
        if model_id is None:
            mine = {"account": self._chain.account.address}
            found += [("claimed", event) for event in market.events("Claimed", first, None, mine)]
        else:
            mine = {"model_id": model_id}
            for kind, name in (("paid", "ModelPaid"), ("distributed", "Distributed")):
                found += [(kind, event) for event in market.events(name, first, None, mine)]
        found = [(kind, event) for kind, event in found if event.args["amount"]]
        found.sort(key=lambda pair: (pair[1].block, pair[1].log_index))
        times: dict[int, int] = {}
        movements = []
        for kind, event in found:
            if event.block not in times:
                times[event.block] = self._chain.block_time(event.block)
            args = event.args
            movements.append(
                Movement(
                    block=event.block,
                    time=times[event.block],
                    kind=kind,
                    amount=JoyWei(args["amount"]),
                    who=args.get("payer") or args.get("account"),
                    to_parents=args.get("to_parents"),
                    to_owners=args.get("to_owners"),
                )
            )
        return movements

    def check_split(self, model_id: ModelId, shares: Sequence[Stake]) -> int:
        """Refuse a split that the contract would; returns the basis points this account has.

        Raises:
            InvalidInputError: This account owns nothing of the model, or the shares do not sum
                to what it has, or there are too many of them.
        """
        me = self._chain.account.address
        owners = self._market.owners(model_id)
        mine = sum(owner.share_bps for owner in owners if owner.whom == me)
        if not mine:
            raise InvalidInputError(
                f"{me} owns no share of this model", hint="joynet royalty show REF lists who does"
            )
        total = sum(share.share_bps for share in shares)
        if total != mine or any(share.share_bps <= 0 for share in shares):
            raise InvalidInputError(
                f"shares sum to {total} bps, expected {mine}: what {me} has",
                hint="name yourself too for what you keep",
            )
        others = sum(owner.whom != me for owner in owners)
        if others + len(shares) > MAX_OWNERS:
            raise InvalidInputError(
                f"{others + len(shares)} owners, expected at most {MAX_OWNERS} of a model"
            )
        return mine

    def split(self, model_id: ModelId, shares: Sequence[Stake]) -> None:
        """Put several shares in the place of this account's own; pending income goes out first.

        Raises:
            InvalidInputError: See `check_split`.
        """
        self.check_split(model_id, shares)
        rows = [{"account": share.whom, "bps": share.share_bps} for share in shares]
        self._market.contract.transact("split_share", model_id, rows)
