"""Models on the marketplace: publish, change, look up."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from joynet_sdk.errors import AuthError, InvalidInputError, NotFoundError
from joynet_sdk.formats import Card, Manifest, check_lister
from joynet_sdk.licenses.model import CONTRACT as LICENSES
from joynet_sdk.licenses.model import Terms
from joynet_sdk.models.lineage import Lineage, Relations, trace
from joynet_sdk.models.listing import EXACT, TOLERANT, Listing, Market, Price, Stake
from joynet_sdk.models.royalties import Royalties
from joynet_sdk.ports import Chain, Flows, Run
from joynet_sdk.types import JoyWei, ModelId
from joynet_sdk.units import format_joy

PUBLISH_FLOW = "model.publish"
MAX_VERSIONS = 64  # that `show` follows back


class Library(Protocol):
    """The local models; `storage.library.Library` in use."""

    def add(self, path: Path, card: Card, *, is_sealed: bool = False) -> Manifest:
        """Scan, perhaps encrypt, store, describe and pin a model."""

    def rewrite(self, manifest: Manifest) -> Manifest:
        """Store and pin another manifest of files that are stored."""

    def load(self, model_id: ModelId) -> Manifest:
        """A stored manifest."""

    def check(
        self, manifest: Manifest, folder: Path | None, on_bytes: Callable[[bytes], None]
    ) -> Sequence["Checked"]:
        """Compare a copy with the manifest, file by file; None for what is stored."""


class Checked(Protocol):
    """One file of a copy."""

    @property
    def path(self) -> str:
        """As the manifest lists it."""

    @property
    def problem(self) -> str | None:
        """What differs, or None."""


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a model."""

    model_id: str
    version: str
    title: str


@dataclass(frozen=True, slots=True)
class Details:
    """All that is known of a listed model.

    Attributes:
        owners: Who shares what is left after the parents.
        versions: This one and those before, as far as their manifests are here.
        calls: Calls that were paid.
        paid: Wei that were paid for them.
    """

    listing: Listing
    price: Price
    owners: list[Stake]
    parents: list[Stake]
    versions: list[Version]
    calls: int
    paid: JoyWei


@dataclass(frozen=True, slots=True)
class Changes:
    """What `revise` changes of a manifest; None leaves it."""

    title: str | None = None
    version: str | None = None
    license: str | None = None
    labels: list[str] = field(default_factory=list)


class Models:
    """Reached as `JoyNet().models`."""

    def __init__(self, chain: Chain, flows: Flows, library: Library) -> None:
        self._chain, self._flows, self._library = chain, flows, library
        self._market = Market(chain)
        self.royalties = Royalties(chain)

    # --- publishing -----------------------------------------------------------------------------

    def publish(
        self,
        path: Path,
        card: Card,
        price: JoyWei,
        previous: ModelId | None = None,
        *,
        terms: Terms | None = None,
        is_sealed: bool = False,
    ) -> Manifest:
        """Store a model's files and list it; the account becomes its publisher.

        Publishing a model of one's own again changes its price: a lower one holds at once, a
        higher one after a day.

        Args:
            path: The folder that `card` describes.
            price: Wei per call.
            previous: The version before; a model that this account has listed.
            terms: On which licences are sold; the key hash is filled in here. None: none are.
            is_sealed: Encrypt the files before they are stored; needs `terms`.

        Raises:
            InvalidInputError: A file is refused, or somebody else has listed this model.
            NotFoundError: `previous` was never listed.
            AuthError: Somebody else published `previous`.
        """
        if previous is not None:
            self.check_mine(previous)
            card = card.after(previous)
        if is_sealed and terms is None:
            raise InvalidInputError("a sealed model needs licence terms, expected a licence price")
        card = card.by(self._chain.account.address)
        manifest = self._library.add(path, card, is_sealed=is_sealed)
        if terms is not None and manifest.sealed is not None:
            terms = replace(terms, key_hash=bytes.fromhex(manifest.sealed.key_hash[2:]))
        return self._list(manifest, price, terms)

    def revise(
        self, model_id: ModelId, changes: Changes, price: JoyWei, terms: Terms | None = None
    ) -> Manifest:
        """List the same files under a changed description, as the version after `model_id`.

        Args:
            price: Wei per call.
            terms: On which licences are sold. None: none are.

        Raises:
            NotFoundError: The model was never listed, or its manifest is not here.
            AuthError: Somebody else published it.
            InvalidInputError: It has parents, or a change breaks a rule of manifests.
        """
        self.check_mine(model_id)
        old = self._library.load(model_id)
        if old.parents or old.fusion is not None or old.sealed is not None:
            raise InvalidInputError(
                f"model {old.title[:60]!r} is fused or sealed: its files must be published again",
                hint="joynet model update REF PATH, or joynet fuse publish",
            )
        manifest = old.revised(
            title=changes.title or old.title,
            version=changes.version or next_version(old.version),
            license_id=changes.license or old.license,
            labels=changes.labels or old.output.labels,
        )
        return self._list(self._library.rewrite(manifest), price, terms)

    def _list(self, manifest: Manifest, price: JoyWei, terms: Terms | None = None) -> Manifest:
        listed = self._market.find(manifest.model_id)
        if listed is None:
            args = {
                "model_id": "0x" + manifest.model_id.hex(),
                "price": str(price),
                "verification": TOLERANT if manifest.verification == "tolerant" else EXACT,
                "tolerance": manifest.tolerance or 0,
                "terms": terms.struct() if terms else None,
            }
            title = f"list {manifest.title!r:.60} for {format_joy(price)} a call"
            self._flows(PUBLISH_FLOW, title, args)
        elif listed["publisher"] != self._chain.account.address:
            raise InvalidInputError(f"this model is listed already, by {listed['publisher']}")
        else:
            self.set_price(manifest.model_id, price)
            self._set_terms(manifest.model_id, terms)
        return manifest

    def _set_terms(self, model_id: ModelId, terms: Terms | None) -> None:
        licenses = self._chain.contract(LICENSES)
        if terms is not None and licenses.call("terms_digest", model_id) != terms.digest(model_id):
            licenses.transact("set_terms", model_id, terms.struct())

    # --- what a publisher changes later -----------------------------------------------------------

    def check_mine(self, model_id: ModelId) -> None:
        """Make sure that this account published a model, before work that needs it.

        Raises:
            NotFoundError: It was never listed.
            AuthError: Somebody else did.
        """
        publisher = self._market.record(model_id)["publisher"]
        if publisher != self._chain.account.address:
            raise AuthError(
                f"model 0x{model_id.hex()} was published by {publisher}, "
                f"this account is {self._chain.account.address}",
                hint="--account NAME; joynet account list",
            )

    def price(self, model_id: ModelId) -> Price:
        """What a call costs, now and once a change that waits holds."""
        return self._market.price(model_id)

    def set_price(self, model_id: ModelId, call: JoyWei, tokens: JoyWei | None = None) -> Price:
        """Change what a model costs: at once if nothing rises, else after a day.

        Args:
            call: Wei per call.
            tokens: Wei per 1,000 output tokens; as it is (or will be) by default.

        Returns:
            What holds now, and what will.
        """
        now = self._market.price(model_id)
        tokens = now.next_tokens if tokens is None else tokens
        if (call, tokens) != (now.next_call, now.next_tokens):
            self.check_mine(model_id)
            self._market.contract.transact("set_price", model_id, call, tokens)
        return self._market.price(model_id)

    def delist(self, model_id: ModelId) -> bool:
        """Take a model off the market; False if it is off already."""
        return self._set_active(model_id, "delist", is_active=False)

    def relist(self, model_id: ModelId) -> bool:
        """Put a model back on the market; False if it is on it already."""
        return self._set_active(model_id, "relist", is_active=True)

    def _set_active(self, model_id: ModelId, function: str, *, is_active: bool) -> bool:
        self.check_mine(model_id)
        if self._market.record(model_id)["active"] == is_active:
            return False
        self._market.contract.transact(function, model_id)
        return True

    # --- looking up -----------------------------------------------------------------------------

    def show(self, model_id: ModelId) -> Listing:
        """A listed model.

        Raises:
            NotFoundError: It was never listed.
            VerificationError: The listing is not its publisher's, or is of another class.
        """
        return self._market.listing(model_id, self._library)

    def details(self, model_id: ModelId) -> Details:
        """All that is known of a listed model.

        Raises:
            NotFoundError: It was never listed.
        """
        calls, paid = self._market.contract.call("usage_of", model_id)
        return Details(
            listing=self.show(model_id),
            price=self._market.price(model_id),
            owners=self._market.owners(model_id),
            parents=self._market.parents(model_id) + self._market.granted(model_id),
            versions=list(self._versions(model_id)),
            calls=calls,
            paid=JoyWei(paid),
        )

    def _versions(self, model_id: ModelId) -> Iterator[Version]:
        """This version and those before it, of the same publisher."""
        seen: set[bytes] = set()
        publisher = self._market.record(model_id)["publisher"]
        with suppress(NotFoundError):  # where a manifest is missing, the history ends for us
            while model_id not in seen and len(seen) < MAX_VERSIONS:
                seen.add(model_id)
                manifest = self._library.load(model_id)
                if self._market.record(model_id)["publisher"] != publisher:
                    return
                yield Version("0x" + model_id.hex(), manifest.version, manifest.title)
                if manifest.previous is None:
                    return
                model_id = ModelId(bytes.fromhex(manifest.previous[2:]))

    def manifest(self, model_id: ModelId) -> Manifest:
        """The manifest of a listed model, from the store.

        Raises:
            NotFoundError: Never listed, or not stored.
            VerificationError: Another account than its publisher listed it.
        """
        listed = self._market.record(model_id)
        manifest = self._library.load(model_id)
        check_lister(manifest, listed["publisher"])
        return manifest

    def verify(
        self,
        model_id: ModelId,
        folder: Path | None = None,
        on_bytes: Callable[[bytes], None] = lambda piece: None,
    ) -> Sequence[Checked]:
        """Compare a copy of a listed model with the chain and with its manifest, file by file.

        Args:
            folder: The copy; by default the blocks in the store.
            on_bytes: Sees every piece that was read.

        Raises:
            NotFoundError: Never listed, or its manifest is not stored.
            VerificationError: It was listed by another account, or as another class, than the
                manifest says.
        """
        self.show(model_id)
        return self._library.check(self._library.load(model_id), folder, on_bytes)

    def lineage(self, model_id: ModelId, children: Relations) -> Lineage:
        """Parents upwards and children downwards.

        Args:
            children: A model's children; `Search.children` knows them.

        Raises:
            NotFoundError: It was never listed.
        """
        self._market.record(model_id)
        return trace("0x" + model_id.hex(), self._parents, children, self._title)

    def _parents(self, model: str) -> list[Stake]:
        model_id = ModelId(bytes.fromhex(model[2:]))
        return self._market.parents(model_id) + self._market.granted(model_id)

    def _title(self, model: str) -> str | None:
        try:
            return self._library.load(ModelId(bytes.fromhex(model[2:]))).title
        except (NotFoundError, InvalidInputError):  # anybody can list any bytes as a child
            return None


def next_version(label: str) -> str:
    """The label after this one: its last number plus one.

    Raises:
        InvalidInputError: It ends in no number.
    """
    found = re.fullmatch(r"(.*?)(\d+)", label)
    if found is None:
        raise InvalidInputError(
            f"version {label!r} ends in no number, so what follows it is yours to say",
            hint="--version LABEL",
        )
    return f"{found[1]}{int(found[2]) + 1}"


def publish_flow(run: Run) -> Any:
    """list_model, owned by the publisher alone; set_terms where licences are sold."""
    args, market = run.args, run.session.contract("ModelMarketplace")
    receipt = run.transact(
        "list",
        market,
        "list_model",
        args["model_id"],
        int(args["price"]),
        0,
        args["verification"],
        args["tolerance"],
        [],
    )
    if args["terms"] is not None:
        licenses = run.session.contract(LICENSES)
        run.transact("terms", licenses, "set_terms", args["model_id"], args["terms"])
    return receipt
