"""What a model is asked in an evaluation, and the digests that name it."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["classify", "regress", "similarity", "perplexity"]
Split = Literal["test", "train", "all"]
Tensor = NDArray[np.float64]
Query = str | Tensor  # one question to a model: a text, or real features in the task's shape

MAX_ITEMS = 100_000


@dataclass(frozen=True, eq=False)
class Item:
    """One example.

    Attributes:
        queries: One question, or two texts to compare (`similarity`).
        label: Class index, target value or similarity; 0 where there is none (`perplexity`).
    """

    queries: tuple[Query, ...]
    label: float = 0.0


@dataclass(frozen=True, eq=False)
class Dataset:
    """The examples of one evaluation, chosen and in order.

    Attributes:
        task: Its name, e.g. "sklearn:digits".
        split: Which part of the data; a file has no split, so "all".
        source: Where it comes from, e.g. "scikit-learn 1.9.1".
        seed: Of the choice, when `limit` leaves items out.
        limit: Most items that were asked for, or None.
        labels: Names of the classes; empty for other kinds.
        integer_step: Real value of one step where every feature is a whole number of steps (a
            digit's pixels are sixteenths), else 0.
    """

    task: str
    kind: Kind
    split: Split
    source: str
    seed: int
    limit: int | None
    items: tuple[Item, ...]
    labels: tuple[str, ...] = ()
    integer_step: float = 0.0

    @property
    def digest(self) -> bytes:
        """SHA-256 over kind, class names and every item in order; docs/spec/eval-report.md."""
        state = hashlib.sha256(f"joynet/eval-data/1\n{self.kind}\n".encode())
        for label in self.labels:
            state.update(_sized(label.encode()))
        for item in self.items:
            for query in item.queries:
                state.update(query_digest(query))
            state.update(np.float64(item.label).astype("<f8").tobytes())
        return state.digest()


def query_digest(query: Query) -> bytes:
    """SHA-256 of one question: its form, its shape and its bytes."""
    if isinstance(query, str):
        return hashlib.sha256(b"text" + query.encode()).digest()
    shape = ",".join(map(str, query.shape)).encode()
    return hashlib.sha256(b"f8" + _sized(shape) + query.astype("<f8").tobytes()).digest()


def _sized(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def choose(items: Iterable[Item], limit: int | None, seed: int) -> tuple[Item, ...]:
    """All items, or `limit` of them drawn without replacement, in their original order.

    Reads each item once and keeps `limit` of them: algorithm R, Vitter 1985, "Random sampling with
    a reservoir".
    """
    if limit is None:
        return tuple(items)
    rng = np.random.default_rng(seed)
    kept: list[tuple[int, Item]] = []
    for index, item in enumerate(items):
        if len(kept) < limit:
            kept.append((index, item))
        elif (slot := int(rng.integers(index + 1))) < limit:
            kept[slot] = (index, item)
    return tuple(item for _, item in sorted(kept, key=lambda pair: pair[0]))
