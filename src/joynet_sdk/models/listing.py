"""Models on the marketplace, as the chain has them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from joynet_sdk.errors import NotFoundError, VerificationError
from joynet_sdk.formats import Manifest, check_lister, model_cid
from joynet_sdk.ports import Chain
from joynet_sdk.types import Address, JoyWei, ModelId

EXACT, TOLERANT = 0, 1
ZERO = "0x" + "00" * 20
PRICE_NOTICE_S = 86_400  # ModelMarketplace.PRICE_NOTICE


@dataclass(frozen=True, slots=True)
class Price:
    """What a model asks for, in wei of JOY.

    Attributes:
        call: Per call.
        tokens: Per 1,000 output tokens.
        next_call, next_tokens: Once the change that waits for its notice holds; else the same.
        effective_at: Unix seconds from which it does, or None.
    """

    call: JoyWei
    tokens: JoyWei
    next_call: JoyWei
    next_tokens: JoyWei
    effective_at: int | None


@dataclass(frozen=True, slots=True)
class Listing:
    """A model on the marketplace, amounts in wei."""

    model_id: str
    cid: str
    publisher: Address
    price: JoyWei
    verification: str
    tolerance: int
    is_active: bool
    nodes: int
    manifest: Manifest | None


@dataclass(frozen=True, slots=True)
class Stake:
    """A part of a model's income: an owner's of the rest, or a parent's of the whole.

    Attributes:
        whom: Account, or model id as 0x hex.
        share_bps: Basis points.
    """

    whom: str
    share_bps: int


class Manifests(Protocol):
    """Where manifests are kept."""

    def load(self, model_id: ModelId) -> Manifest:
        """A stored manifest; NotFoundError when there is none."""


class Market:
    """Reads ModelMarketplace."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain

    @property
    def contract(self) -> Any:
        """ModelMarketplace."""
        return self._chain.contract("ModelMarketplace")

    def find(self, model_id: ModelId) -> Mapping[str, Any] | None:
        """The contract's record of a model, or None when it was never listed."""
        listed: Mapping[str, Any] = self.contract.call("listing", model_id)
        return None if listed["publisher"] == ZERO else listed

    def record(self, model_id: ModelId) -> Mapping[str, Any]:
        """The contract's record of a model.

        Raises:
            NotFoundError: It was never listed.
        """
        listed = self.find(model_id)
        if listed is None:
            raise NotFoundError("listed model", "0x" + model_id.hex())
        return listed

    def price(self, model_id: ModelId) -> Price:
        """What a call costs, now and once a change that waits holds.

        Raises:
            NotFoundError: It was never listed.
        """
        listed = self.record(model_id)
        now = JoyWei(listed["price"]), JoyWei(listed["token_price"])
        call, tokens, effective_at = self.contract.call("scheduled_price", model_id)
        after = (JoyWei(call), JoyWei(tokens)) if effective_at else now
        return Price(*now, *after, effective_at or None)

    def listing(self, model_id: ModelId, manifests: Manifests) -> Listing:
        """A listed model, with its manifest where that is here.

        Raises:
            NotFoundError: It was never listed.
            VerificationError: Another account than its publisher listed it, or as another class.
        """
        listed = self.record(model_id)
        manifest: Manifest | None
        try:
            manifest = manifests.load(model_id)
            check_lister(manifest, listed["publisher"])
            check_class(manifest, listed)
        except NotFoundError:
            manifest = None
        return Listing(
            model_id="0x" + model_id.hex(),
            cid=model_cid(model_id),
            publisher=Address(listed["publisher"]),
            price=JoyWei(listed["price"]),
            verification="tolerant" if listed["verification"] == TOLERANT else "exact",
            tolerance=listed["tolerance"],
            is_active=listed["active"],
            nodes=len(self._chain.contract("NodeCoordinator").call("offers_of", model_id)),
            manifest=manifest,
        )

    def parents(self, model_id: ModelId) -> list[Stake]:
        """Models that receive a part of every payment."""
        found = self.contract.call("parents_of", model_id)
        return [Stake("0x" + parent["model_id"].hex(), parent["bps"]) for parent in found]

    def claims(self, model_id: ModelId) -> Sequence[Mapping[str, Any]]:
        """What parents that were left out claim, or were granted: parent, bps, frozen, holder."""
        found: Sequence[Mapping[str, Any]] = self.contract.call("claimed_of", model_id)
        return found

    def granted(self, model_id: ModelId) -> list[Stake]:
        """Parents that were left out and have their share by now."""
        found = [claim for claim in self.claims(model_id) if claim["holder"] == ZERO]
        return [Stake("0x" + claim["parent"].hex(), claim["bps"]) for claim in found]

    def owners(self, model_id: ModelId) -> list[Stake]:
        """Accounts that share the rest; the first one takes what rounding leaves."""
        found = self.contract.call("owners_of", model_id)
        return [Stake(owner["account"], owner["bps"]) for owner in found]


def check_class(manifest: Manifest, listed: Mapping[str, Any]) -> None:
    """Refuse a listing whose class or tolerance is not what the manifest says.

    Raises:
        VerificationError: They differ.
    """
    verification = TOLERANT if manifest.verification == "tolerant" else EXACT
    if (verification, manifest.tolerance or 0) != (listed["verification"], listed["tolerance"]):
        raise VerificationError(
            f"model {manifest.title[:60]!r} is of class {manifest.verification} with tolerance "
            f"{manifest.tolerance}, listed as {listed['verification']} with {listed['tolerance']}",
            hint="do not use this listing; its publisher must publish it again",
        )
