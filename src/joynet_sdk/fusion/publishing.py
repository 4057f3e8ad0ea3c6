"""Fused models on the market: terms and shares of parents, publication, claims."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joynet_sdk.errors import InvalidInputError, NotFoundError, VerificationError
from joynet_sdk.formats import Card, Manifest, Parent
from joynet_sdk.fusion.ports import Library, Specs
from joynet_sdk.fusion.spec import CompositionSpec, FusionSpec, decode_spec
from joynet_sdk.models import EXACT, TOLERANT
from joynet_sdk.ports import Chain, Flows, Run
from joynet_sdk.types import Address, JoyWei, ModelId
from joynet_sdk.units import format_joy

PUBLISH_FLOW, CLAIM_FLOW, DEFEND_FLOW = "fuse.publish", "fuse.claim", "fuse.defend"
BPS = 10_000
MAX_PARENTS = 8
ZERO_ADDRESS, ZERO_BYTES = "0x" + "00" * 20, b"\0" * 32
STATES = ("none", "open", "upheld", "rejected", "lapsed")
UNTESTED = "no-smoke-test"  # tag of a model that was published without


@dataclass(frozen=True, slots=True)
class Terms:
    """On which terms a model may be a parent.

    Attributes:
        is_allowed: Whether others may build on it.
        min_share_bps: Least share of a child's income.
        set_at: Unix seconds; 0 when its publisher never set any.
    """

    is_allowed: bool
    min_share_bps: int
    set_at: int


@dataclass(frozen=True, slots=True)
class ParentShare:
    """A parent of a child to be.

    Attributes:
        model_id: 32 bytes.
        publisher: Who listed it.
        terms: What it asks for.
        share_bps: What it gets of every payment to the child.
    """

    model_id: ModelId
    publisher: Address
    terms: Terms
    share_bps: int


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim of a parent that says it was left out; amounts in wei."""

    claim_id: int
    child: str
    parent: str
    claimant: Address
    defender: Address | None
    share_bps: int
    frozen: JoyWei
    spec_digest: str
    bond: JoyWei
    deadline: int
    state: str


class FusionMarket:
    """Reached as `JoyNet().fusion.market`."""

    def __init__(
        self, chain: Callable[[], Chain], flows: Flows, library: Library, specs: Specs
    ) -> None:
        self._open, self._flows = chain, flows
        self._library, self._specs = library, specs

    @property
    def _contract(self) -> Any:
        return self._open().contract("ModelFusionContract")

    def _listing(self, model_id: ModelId) -> Mapping[str, Any] | None:
        listed: Mapping[str, Any] = (
            self._open().contract("ModelMarketplace").call("listing", model_id)
        )
        return None if listed["publisher"] == ZERO_ADDRESS else listed

    # --- terms of parents -----------------------------------------------------------------------

    def terms(self, model_id: ModelId) -> Terms:
        """On which terms a model may be a parent now."""
        found = self._contract.call("parent_terms", model_id)
        return Terms(found["derivatives_allowed"], found["min_share_bps"], found["set_at"])

    def set_terms(self, model_id: ModelId, *, is_allowed: bool, min_share_bps: int) -> Terms:
        """State the terms of a model of one's own; children published before keep theirs.

        Raises:
            InvalidInputError: A share outside 0 to 10,000 basis points.
        """
        if not 0 <= min_share_bps <= BPS:
            raise InvalidInputError(f"share of {min_share_bps} bps, expected 0 to {BPS}")
        self._contract.transact("set_parent_terms", model_id, is_allowed, min_share_bps)
        return self.terms(model_id)

    # --- publication ----------------------------------------------------------------------------

    def shares(
        self, spec: FusionSpec, wanted: Mapping[ModelId, int] | None = None
    ) -> list[ParentShare]:
        """What each parent of a published spec gets; by default what its terms ask for at least.

        Args:
            wanted: Basis points, by model.

        Raises:
            NotFoundError: A parent was never listed (components of a composition may be).
            InvalidInputError: A parent allows no derivatives or asks for more, more than 8 parents,
                or more than all of the income.
        """
        wanted = wanted or {}
        parents = [ModelId(bytes.fromhex(reference[2:])) for reference in spec.references]
        for model_id in wanted:
            if model_id not in parents:
                raise InvalidInputError(f"--share 0x{model_id.hex()}: that is no parent")
        found = []
        for model_id in parents:
            listed = self._listing(model_id)
            if listed is None:
                if isinstance(spec, CompositionSpec):
                    continue  # it asks for nothing
                raise NotFoundError(
                    "listed model", "0x" + model_id.hex(), hint="joynet model publish it first"
                )
            found.append(self._share(model_id, Address(listed["publisher"]), wanted.get(model_id)))
        total = sum(parent.share_bps for parent in found)
        if not 1 <= len(found) <= MAX_PARENTS or total > BPS:
            raise InvalidInputError(
                f"{len(found)} listed parents with {total} bps in all, expected 1 to {MAX_PARENTS} "
                f"with at most {BPS}"
            )
        return found

    def _share(self, model_id: ModelId, publisher: Address, wanted: int | None) -> ParentShare:
        terms = self.terms(model_id)
        share = terms.min_share_bps if wanted is None else wanted
        is_own = publisher == self._open().account.address
        if not is_own and not terms.is_allowed:
            raise InvalidInputError(
                f"parent 0x{model_id.hex()} of {publisher} allows no derivatives",
                hint="its publisher can: joynet fuse terms REF --allow --min-share 5%",
            )
        if not is_own and share < terms.min_share_bps:
            raise InvalidInputError(
                f"parent 0x{model_id.hex()} asks for {terms.min_share_bps} bps, got {share}"
            )
        if share < 1:
            raise InvalidInputError(
                f"parent 0x{model_id.hex()} has no share, expected at least 1 bps",
                hint=f"--share 0x{model_id.hex()}=5%",
            )
        return ParentShare(model_id, publisher, terms, share)

    def publish(
        self,
        folder: Path,
        card: Card,
        spec: FusionSpec,
        parents: Sequence[ParentShare],
        price: JoyWei,
        court: bytes = ZERO_BYTES,
        *,
        is_tested: bool = True,
    ) -> Manifest:
        """Store a fused model and its spec, and list it with its parents' shares, for good.

        A model of one's own that is listed already stays as it is; `Models.set_price` changes it.

        Args:
            card: Of the folder, as `models.describe` gives it.
            spec: Names every parent by its model id.
            price: Wei per call.
            court: Node of the TLD whose DAO decides claims; zero: the contract's default.
            is_tested: False adds a tag that says so.

        Raises:
            InvalidInputError: A file is refused, or somebody else has listed this model.
        """
        data = spec.encode()
        decode_spec(data)  # what others will read
        account = self._open().account.address
        manifest = self._library.add(folder, _child(card, spec, parents, is_tested).by(account))
        self._specs.put(data)
        listed = self._listing(manifest.model_id)
        if listed is not None:  # the manifest names parents and shares, so they are the same
            if listed["publisher"] != account:
                raise InvalidInputError(f"this model is listed already, by {listed['publisher']}")
            return manifest
        title = (
            f"list {card.title!r:.60}, fused from {len(parents)}, for {format_joy(price)} a call"
        )
        args = {
            "model_id": "0x" + manifest.model_id.hex(),
            "spec": "0x" + spec.digest.hex(),
            "price": str(price),
            "verification": TOLERANT if manifest.verification == "tolerant" else EXACT,
            "tolerance": manifest.tolerance or 0,
            "parents": [["0x" + one.model_id.hex(), one.share_bps] for one in parents],
            "court": "0x" + court.hex(),
        }
        self._flows(PUBLISH_FLOW, title, args)
        return manifest

    # --- claims ---------------------------------------------------------------------------------

    def claim(self, claim_id: int) -> Claim:
        """A claim by its number.

        Raises:
            NotFoundError: There is none such.
        """
        found = self._contract.call("claim_of", claim_id)
        if found["state"] == 0:
            raise NotFoundError("claim", claim_id, hint="joynet fuse claim show REF")
        defender = found["defender"]
        return Claim(
            claim_id=claim_id,
            child="0x" + bytes(found["child"]).hex(),
            parent="0x" + bytes(found["parent"]).hex(),
            claimant=Address(found["claimant"]),
            defender=None if defender == ZERO_ADDRESS else Address(defender),
            share_bps=found["share_bps"],
            frozen=JoyWei(found["frozen"]),
            spec_digest="0x" + bytes(found["spec_digest"]).hex(),
            bond=JoyWei(found["bond"]),
            deadline=found["deadline"],
            state=STATES[found["state"]],
        )

    def claims_on(self, child: ModelId) -> list[Claim]:
        """Every claim on a child, oldest first."""
        first = self._open().deployment.first_block
        events = self._contract.events("ClaimOpened", first, filters={"child": child})
        return [self.claim(event.args["claim_id"]) for event in events]

    def bond(self) -> JoyWei:
        """Wei that a claim, and its defence, put at stake."""
        return JoyWei(self._contract.call("CLAIM_BOND"))

    def claimable_bps(self, child: ModelId, parent: ModelId) -> int:
        """Largest share that a left-out parent can ask for."""
        return int(self._contract.call("claimable_bps", child, parent))

    def open_claim(
        self, child: ModelId, parent: ModelId, spec: FusionSpec, share_bps: int | None = None
    ) -> Claim:
        """Say that a child was built from a model that it does not name; posts the bond.

        Args:
            spec: Rebuilds the child and names the parent; check it with `Fusion.verify` first.
            share_bps: By default the largest that can be asked for.

        Raises:
            InvalidInputError: The spec does not name the parent, or the share is too large.
        """
        most = self.claimable_bps(child, parent)
        share = most if share_bps is None else share_bps
        if "0x" + parent.hex() not in spec.references:
            raise InvalidInputError(f"the spec does not name 0x{parent.hex()} as a parent")
        if not 1 <= share <= most:
            raise InvalidInputError(f"share of {share} bps, expected 1 to {most}")
        self._specs.put(spec.encode())
        args = {
            "child": "0x" + child.hex(),
            "parent": "0x" + parent.hex(),
            "share_bps": share,
            "spec": "0x" + spec.digest.hex(),
            "bond": str(self.bond()),
        }
        self._flows(CLAIM_FLOW, f"claim {share} bps of 0x{child.hex()[:8]}...", args)
        return self.claim(int(self._contract.call("claim_between", child, parent)))

    def defend(self, claim_id: int) -> Claim:
        """Deny a claim, with an equal bond.

        Raises:
            NotFoundError: There is no such claim.
        """
        claim = self.claim(claim_id)
        args = {"claim_id": claim_id, "bond": str(claim.bond)}
        self._flows(DEFEND_FLOW, f"defend against claim {claim_id}", args)
        return self.claim(claim_id)

    def lapse(self, claim_id: int) -> Claim:
        """Close a claim whose time is over.

        Raises:
            NotFoundError: There is no such claim.
        """
        self.claim(claim_id)
        self._contract.transact("lapse", claim_id)
        return self.claim(claim_id)

    def withdrawable(self, account: Address) -> JoyWei:
        """Wei of bonds that were freed or won."""
        return JoyWei(self._contract.call("withdrawable", account))

    def withdraw(self) -> JoyWei:
        """Withdraw the account's bonds; returns wei, 0 when there is nothing."""
        if not self.withdrawable(self._open().account.address):
            return JoyWei(0)
        return JoyWei(self._contract.transact("withdraw").event("Withdrawn").args["amount"])


def check_is_parent(manifest: Manifest, files: Mapping[str, str], name: str) -> None:
    """Refuse a folder that is not the published model it is said to be.

    Args:
        files: Path -> SHA-256 as 0x hex of the folder's files.

    Raises:
        VerificationError: A file of the two differs, or one of weights is missing.
    """
    for file in manifest.files:
        here = files.get(file.path)
        if here != file.sha256 and (here is not None or file.path.endswith(".safetensors")):
            raise VerificationError(
                f"{name} is not model 0x{manifest.model_id.hex()}: {file.path} differs"
            )


def _child(card: Card, spec: FusionSpec, parents: Sequence[ParentShare], is_tested: bool) -> Card:
    shares = sorted(
        (Parent(model="0x" + one.model_id.hex(), share_bps=one.share_bps) for one in parents),
        key=lambda parent: parent.model,
    )
    made = card.made_from(shares, "0x" + spec.digest.hex())
    return made if is_tested else made.with_tag(UNTESTED)


# --- journaled jobs -----------------------------------------------------------------------------


def publish_flow(run: Run) -> None:
    """ModelFusionContract.publish, owned by the publisher alone."""
    args, contract = run.args, run.session.contract("ModelFusionContract")
    parents = [{"model_id": model, "bps": bps} for model, bps in args["parents"]]
    run.transact(
        "publish",
        contract,
        "publish",
        args["model_id"],
        args["spec"],
        int(args["price"]),
        0,
        args["verification"],
        args["tolerance"],
        [],
        parents,
        args["court"],
    )


def claim_flow(run: Run) -> None:
    """Approve the bond, then open the claim."""
    args, contract = run.args, run.session.contract("ModelFusionContract")
    token = run.session.contract("JoyToken")
    run.approve(token, contract.address, int(args["bond"]), before="open")
    run.transact(
        "open",
        contract,
        "open_claim",
        args["child"],
        args["parent"],
        args["share_bps"],
        args["spec"],
    )


def defend_flow(run: Run) -> None:
    """Approve the bond, then deny the claim."""
    args, contract = run.args, run.session.contract("ModelFusionContract")
    token = run.session.contract("JoyToken")
    run.approve(token, contract.address, int(args["bond"]), before="defend")
    run.transact("defend", contract, "defend", args["claim_id"])
