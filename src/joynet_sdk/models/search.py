"""The search index: caught up from the market's events, through reorganisations, and asked."""

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from joynet_sdk.errors import (
    InvalidInputError,
    NotFoundError,
    PendingError,
    UnavailableError,
    VerificationError,
)
from joynet_sdk.formats import Manifest
from joynet_sdk.models.listing import Market, Stake
from joynet_sdk.ports import Chain
from joynet_sdk.searching import Hit, Mark, MarketEvent, Query
from joynet_sdk.types import ModelId

PAGE_BLOCKS = 5_000
CARDS_AT_ONCE = 64  # manifests that one search asks peers for
RETRY_S = 600.0  # after which a manifest that could not be had is asked for again
MAX_TRIES = 5  # of a page whose blocks are replaced while it is read
_KINDS = {
    "ModelListed": "listed",
    "PriceSet": "priced",
    "ModelDelisted": "delisted",
    "ModelRelisted": "relisted",
    "ShareResolved": "granted",
}

OnBlocks = Callable[[int, int], None]
"""Hears blocks indexed since the start, and blocks to index in all."""


class Index(Protocol):
    """`storage.catalogue.Catalogue` in use."""

    def bind(self, market: str) -> None:
        """Forget all events if they are another market's."""

    def marks(self) -> list[Mark]:
        """Blocks up to which events are indexed, the latest first."""

    def append(self, after: Mark | None, events: Sequence[MarketEvent], upto: Mark) -> bool:
        """Take in events; False when another process was faster."""

    def roll_back(self, to: Mark | None) -> int:
        """Forget what came after a mark, or everything; how many events that were."""

    def children(self, model: str) -> list[tuple[str, int]]:
        """Models that name this one as a parent, with its share."""

    def without_card(self, not_tried_since: float, limit: int) -> list[str]:
        """Models whose manifest is not known."""

    def tried(self, models: Sequence[str], time: float) -> None:
        """Remember that these manifests could not be had."""

    def put_card(self, manifest: Manifest, readme: str = "") -> None:
        """Make a manifest searchable."""

    def search(self, query: Query) -> list[Hit]:
        """Models that match."""

    def counts(self) -> tuple[int, int]:
        """Models on the market, and how many have no known manifest."""

    def title(self, model: str) -> str | None:
        """The title in a known manifest."""


class Cards(Protocol):
    """Manifests and the words beside them, from the store; `storage.library.Library` in use."""

    def load(self, model_id: ModelId) -> Manifest:
        """A stored manifest."""

    def readme(self, manifest: Manifest) -> str:
        """Text of a model's README.md if its blocks are stored, or ""."""


Fetch = Callable[[Sequence[ModelId]], Awaitable[None]]
"""Tries to bring manifests into the store within a bounded time."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the index is.

    Attributes:
        block: The last indexed block; -1 before any.
        head: The chain's latest block, or None when it was not asked.
        forgotten: Events that a reorganisation took away in this run.
        models: Models on the market.
        unknown: Those of them whose manifest is not known, so that no word finds them.
    """

    block: int
    head: int | None
    forgotten: int
    models: int
    unknown: int


class Search:
    """Reached as `JoyNet().search`."""

    def __init__(
        self, chain: Callable[[], Chain], index: Index, cards: Cards, fetch: Fetch
    ) -> None:
        """
        Args:
            chain: Opens the chain; not called by what works offline.
        """
        self._open_chain, self._index = chain, index
        self._cards, self._fetch = cards, fetch

    # --- catching up ------------------------------------------------------------------------------

    def catch_up(self, on_blocks: OnBlocks = lambda done, total: None) -> Progress:
        """Index every event since the last time; after a reorganisation, from where chains part.

        Raises:
            UnavailableError: The chain cannot be reached, or replaces its blocks faster than they
                are read.
        """
        chain = self._open_chain()
        self._index.bind(f"{chain.chain_id} {chain.contract('ModelMarketplace').address}")
        mark, forgotten = self._common_ancestor(chain)
        first = chain.deployment.first_block if mark is None else mark.block + 1
        head, tries = chain.block_number(), 0
        done, total = 0, max(head - first + 1, 0)
        on_blocks(0, total)
        while first <= head:
            last = min(first + PAGE_BLOCKS - 1, head)
            page = self._read(chain, first, last)
            if page is None or not self._index.append(mark, *page):
                tries += 1
                if tries == MAX_TRIES:
                    raise UnavailableError(
                        f"the chain replaced block {last} {tries} times while it was read",
                        hint="try again; --offline searches what is indexed",
                    )
                mark, more = self._common_ancestor(chain)
                forgotten += more
                first = chain.deployment.first_block if mark is None else mark.block + 1
                continue
            mark, tries = page[1], 0
            done += last - first + 1
            on_blocks(min(done, total), total)
            first = last + 1
        return replace(self.progress(), head=head, forgotten=forgotten)

    def _common_ancestor(self, chain: Chain) -> tuple[Mark | None, int]:
        """The latest mark that the chain still has; what came after it is forgotten."""
        marks = self._index.marks()
        for mark in marks:
            if _hash(chain, mark.block) == mark.hash:
                return mark, self._index.roll_back(mark) if mark != marks[0] else 0
        return None, self._index.roll_back(None) if marks else 0

    def _read(self, chain: Chain, first: int, last: int) -> tuple[list[MarketEvent], Mark] | None:
        """One page; None when the blocks changed meanwhile."""
        end = _hash(chain, last)
        if end is None:
            return None
        market = Market(chain)
        headers: dict[int, Mapping[str, Any]] = {}
        events: list[MarketEvent] = []
        for name in _KINDS:
            for event in market.contract.events(name, first, last):
                if event.block not in headers:
                    headers[event.block] = chain.block(event.block)
                if headers[event.block]["hash"] != event.block_hash:
                    return None
                if event.args.get("is_upheld", True):
                    parents = _new_parents(market, event)
                    events.append(_event(event, headers[event.block], parents))
        if _hash(chain, last) != end:
            return None
        events.sort(key=lambda event: (event.block, event.log_index))
        return events, Mark(last, end)

    def progress(self) -> Progress:
        """How far the index is, without asking the chain."""
        marks = self._index.marks()
        models, unknown = self._index.counts()
        return Progress(marks[0].block if marks else -1, None, 0, models, unknown)

    # --- manifests --------------------------------------------------------------------------------

    async def learn_cards(self, *, is_offline: bool = False) -> int:
        """Read the manifests that are missing, from the store or else from peers.

        Returns:
            How many are known now that were not.
        """
        wanted = self._index.without_card(time.time(), 10_000)
        missing = self._take(wanted)
        known = len(wanted) - len(missing)
        if is_offline or not missing:
            return known
        asked = self._index.without_card(time.time() - RETRY_S, CARDS_AT_ONCE)
        if asked:
            await self._fetch([ModelId(bytes.fromhex(model[2:])) for model in asked])
            still = self._take(asked)
            self._index.tried(still, time.time())
            known += len(asked) - len(still)
        return known

    def _take(self, models: Iterable[str]) -> list[str]:
        """Index the manifests that are stored; the models whose are not, or are none at all."""
        missing = []
        for model in models:
            try:
                manifest = self._cards.load(ModelId(bytes.fromhex(model[2:])))
            except (NotFoundError, InvalidInputError, VerificationError):
                missing.append(model)  # anybody can list any bytes
                continue
            self._index.put_card(manifest, self._cards.readme(manifest))
        return missing

    # --- questions --------------------------------------------------------------------------------

    def find(self, query: Query) -> list[Hit]:
        """Models that match, from the index as it is.

        Raises:
            InvalidInputError: Nothing to look for in the words.
        """
        return self._index.search(query)

    def children(self, model: str) -> list[Stake]:
        """Models made from this one, as far as the index goes.

        Args:
            model: Model id as 0x hex.
        """
        return [Stake(child, bps) for child, bps in self._index.children(model)]


def _hash(chain: Chain, number: int) -> str | None:
    """Hash of a block, or None when the chain has none of this number."""
    try:
        return str(chain.block(number)["hash"])
    except PendingError:
        return None


def _new_parents(market: Market, event: Any) -> list[Stake]:
    """The parents that an event brings to a model; its founding ones never change."""
    if event.name == "ModelListed" and event.args["depth"] > 1:
        return market.parents(event.args["model_id"])
    if event.name == "ShareResolved":
        parent = "0x" + event.args["parent"].hex()
        return [each for each in market.granted(event.args["child"]) if each.whom == parent]
    return []


def _event(event: Any, header: Mapping[str, Any], parents: Sequence[Stake]) -> MarketEvent:
    args = event.args
    return MarketEvent(
        block=event.block,
        log_index=event.log_index,
        time=int(header["timestamp"], 16),
        kind=_KINDS[event.name],  # type: ignore[arg-type]  # one of the four
        model="0x" + (args["child"] if "child" in args else args["model_id"]).hex(),
        publisher=args.get("publisher"),
        price=args.get("price", 0),
        token_price=args.get("token_price", 0),
        effective_at=args.get("effective_at", 0),
        verification=args.get("verification", 0),
        parents=tuple((parent.whom, parent.share_bps) for parent in parents),
    )
