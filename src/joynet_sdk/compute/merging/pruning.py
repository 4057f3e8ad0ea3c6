"""Which elements of a task vector are kept: all, none, or by magnitude."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Protocol

import torch

from joynet_sdk.compute.merging.blocks import Blocks, spans
from joynet_sdk.compute.merging.selection import Pass, Rank, kth_smallest, position


class Pruner(Protocol):
    """Sets the elements to zero that are dropped.

    Attributes:
        unit: Blocks are whole multiples of so many elements.
    """

    unit: int

    def prune(self, delta: torch.Tensor, span: slice) -> None:
        """Prune the block `span` of the task vector in place."""


class Everything:
    """Keeps all."""

    unit = 1

    def prune(self, delta: torch.Tensor, span: slice) -> None:
        """Nothing to do."""


class Nothing:
    """Keeps none."""

    unit = 1

    def prune(self, delta: torch.Tensor, span: slice) -> None:
        """All zeros."""
        delta.zero_()


class AtLeast:
    """Keeps magnitudes above a bound, and those equal to it whose index lies in a range."""

    unit = 1

    def __init__(self, bound: float, ties: range, dtype: torch.dtype) -> None:
        self._bound, self._ties = bound, ties
        self._below = _next_below(bound, dtype)

    def prune(self, delta: torch.Tensor, span: slice) -> None:
        """Zero what is smaller."""
        for piece, is_tie_kept in _pieces(delta, span, self._ties):
            if not is_tie_kept:
                piece.copy_(torch.nn.functional.hardshrink(piece, self._bound))
            elif self._bound > 0:
                piece.copy_(torch.nn.functional.hardshrink(piece, self._below))


class AtMost:
    """Keeps magnitudes below a bound, and those equal to it whose index lies in a range."""

    unit = 1

    def __init__(self, bound: float, ties: range, dtype: torch.dtype) -> None:
        self._bound, self._ties = bound, ties
        self._below = _next_below(bound, dtype)

    def prune(self, delta: torch.Tensor, span: slice) -> None:
        """Zero what is larger."""
        for piece, is_tie_kept in _pieces(delta, span, self._ties):
            limit = self._bound if is_tie_kept else self._below
            piece.sub_(torch.nn.functional.hardshrink(piece, limit))


class Both:
    """Keeps what both of two keep."""

    unit = 1

    def __init__(self, first: Pruner, second: Pruner) -> None:
        self._first, self._second = first, second

    def prune(self, delta: torch.Tensor, span: slice) -> None:
        """Prune by one, then by the other."""
        self._first.prune(delta, span)
        self._second.prune(delta, span)


def largest(blocks: Blocks, index: int, density: float) -> Pruner:
    """Keep the largest part of a task vector: floor(density x count) elements, at least one.

    Among equal magnitudes at the bound those that come first are kept.
    """
    count = blocks.count
    if density >= 1 or not count:
        return Everything()
    if density <= 0:
        return Nothing()
    kept = max(1, int(density * count))
    magnitudes = _magnitudes(blocks, index)
    (bound,) = kth_smallest(magnitudes, [count - kept], blocks.working)
    stop = count
    if bound.before:
        stop = position(magnitudes, bound.value, bound.equal - bound.before)
    return AtLeast(bound.value, range(stop), blocks.working)


def middle(blocks: Blocks, index: int, density: float, gamma: float) -> Pruner:
    """Drop floor(gamma x count) of the largest, then of the smallest until `density` is reached.

    Fewer of the largest are dropped if no more than `density` would be left.
    """
    count = blocks.count
    if density >= 1 or not count:
        return Everything()
    kept = int(density * count)
    if not kept:
        return Nothing()
    first = max(0, count - kept - int(gamma * count))
    magnitudes = _magnitudes(blocks, index)
    low, high = kth_smallest(magnitudes, [first, first + kept - 1], blocks.working)
    start = position(magnitudes, low.value, low.before) if low.before else 0
    return Both(
        AtLeast(low.value, range(start, count), blocks.working),
        AtMost(high.value, range(_end_of_ties(magnitudes, high, count)), blocks.working),
    )


def _end_of_ties(magnitudes: Pass, rank: Rank, count: int) -> int:
    if rank.before + 1 == rank.equal:
        return count
    return position(magnitudes, rank.value, rank.before + 1)


def _magnitudes(blocks: Blocks, index: int) -> Pass:
    def start() -> Iterator[torch.Tensor]:
        for span in spans(blocks.count):
            yield blocks.delta(index, span).abs_()

    return start


def _next_below(bound: float, dtype: torch.dtype) -> float:
    """The largest number of that type below `bound`; -1 for 0, which no magnitude is below."""
    if bound <= 0:
        return -1.0
    start = torch.tensor(bound, dtype=dtype)
    return float(torch.nextafter(start, torch.zeros_like(start)))


def _pieces(delta: torch.Tensor, span: slice, ties: range) -> Iterator[tuple[torch.Tensor, bool]]:
    """Cut a block where `ties` begins and ends; each piece with whether it lies within."""
    inner = {cut for cut in (ties.start, ties.stop) if span.start < cut < span.stop}
    cuts = sorted({span.start, span.stop, *inner})
    for start, stop in pairwise(cuts):
        yield delta[start - span.start : stop - span.start], start in ties
