"""What the search index takes in and gives out: events of the market, queries, hits."""

from dataclasses import dataclass
from typing import Literal

from joynet_sdk.types import Address, JoyWei

Sort = Literal["relevance", "newest", "price", "title"]


@dataclass(frozen=True, slots=True)
class Mark:
    """A block up to which events are indexed.

    Attributes:
        hash: 0x + 64 hex digits; another one at this number later means a reorganisation.
    """

    block: int
    hash: str


@dataclass(frozen=True, slots=True)
class MarketEvent:
    """One event of ModelMarketplace; amounts in wei of JOY.

    Attributes:
        model: Model id as 0x hex.
        time: Unix seconds of the block.
        effective_at: Of a price: unix seconds from which it holds.
        verification: 0 exact, 1 tolerant; of a listing.
        parents: Model id and basis points each; of a listing, or of a share that a parent which
            was left out was granted.
    """

    block: int
    log_index: int
    time: int
    kind: Literal["listed", "priced", "delisted", "relisted", "granted"]
    model: str
    publisher: Address | None = None
    price: int = 0
    token_price: int = 0
    effective_at: int = 0
    verification: int = 0
    parents: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for; an empty field does not matter.

    Attributes:
        words: All of them must be in title, summary, tags or README; the last may be cut short.
        max_price: Wei per call.
        verification: "exact" or "tolerant".
        now: Unix seconds of the chain, for prices that wait for their notice.
        is_all: Also models that are off the market.
    """

    words: str = ""
    task: str | None = None
    license: str | None = None
    architecture: str | None = None
    publisher: str | None = None
    verification: str | None = None
    max_price: JoyWei | None = None
    sort: Sort | None = None
    limit: int = 20
    now: int = 0
    is_all: bool = False


@dataclass(frozen=True, slots=True)
class Hit:
    """A model that was found. Texts are its publisher's: escape them before they are shown.

    Attributes:
        title, summary, task, license, architecture, version: None where no manifest is known.
        is_sealed: Whether a licence is needed to open its files.
    """

    model: str
    publisher: Address
    price: JoyWei
    token_price: JoyWei
    verification: str
    is_active: bool
    listed_at: int
    title: str | None
    summary: str | None
    task: str | None
    license: str | None
    architecture: str | None
    version: str | None
    quantization: str | None
    is_sealed: bool
