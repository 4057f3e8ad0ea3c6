"""Order statistics of a tensor that is only seen block by block, without sorting it.

The bits of a non-negative float grow with its value, so the k-th smallest is found 16 bits at a
time: count the leading 16 bits, then the next 16 of those that share the k-th one's, and so on
(a radix selection from the most significant digit; Knuth, TAOCP 3, 5.2.5). Two passes for float32,
four for float64, and a few MB, whatever the tensor's size.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

DIGIT = 16  # bits
_BINS = 1 << DIGIT
_BITS = {torch.float32: torch.int32, torch.float64: torch.int64}

Pass = Callable[[], Iterator[torch.Tensor]]


@dataclass(frozen=True)
class Rank:
    """The k-th smallest value, and where k lies among the values equal to it.

    Attributes:
        value: The value.
        before: How many of the equal ones come before the k-th in sorted order.
        equal: How many values are equal to it.
    """

    value: float
    before: int
    equal: int


def kth_smallest(blocks: Pass, ranks: Sequence[int], dtype: torch.dtype) -> list[Rank]:
    """Find several order statistics in the same passes.

    Args:
        blocks: Starts a pass over the values: non-negative, finite, of `dtype`.
        ranks: From 0 (the smallest) to the number of values - 1.
        dtype: float32 or float64.
    """
    width = torch.finfo(dtype).bits
    prefixes, before, equal = [0] * len(ranks), list(ranks), [0] * len(ranks)
    for shift in range(width - DIGIT, -1, -DIGIT):
        histograms = _histograms(blocks, set(prefixes), shift, dtype)
        for index, prefix in enumerate(prefixes):
            histogram = histograms[prefix]
            ends = np.cumsum(histogram)
            digit = int(np.searchsorted(ends, before[index], side="right"))
            equal[index] = int(histogram[digit])
            before[index] -= int(ends[digit]) - equal[index]
            prefixes[index] = prefix << DIGIT | digit
    values = torch.tensor(prefixes, dtype=_BITS[dtype]).view(dtype).tolist()
    return [Rank(*found) for found in zip(values, before, equal, strict=True)]


def position(blocks: Pass, value: float, occurrence: int) -> int:
    """Index of an occurrence (from 0) of a value among the elements of a pass."""
    start = 0
    for block in blocks():
        places = torch.nonzero(block == value)
        if occurrence < len(places):
            return start + int(places[occurrence])
        occurrence -= len(places)
        start += len(block)
    raise IndexError(f"{value} does not occur as often as was counted")


def _histograms(
    blocks: Pass, prefixes: set[int], shift: int, dtype: torch.dtype
) -> dict[int, NDArray[np.int64]]:
    """For each prefix, how often each digit at `shift` follows it."""
    counts = {prefix: np.zeros(_BINS, dtype=np.int64) for prefix in prefixes}
    above = shift + DIGIT
    is_first = above == torch.finfo(dtype).bits
    for block in blocks():
        bits = block.view(_BITS[dtype])
        for prefix, histogram in counts.items():
            if is_first:
                digits = bits >> shift
            else:
                patterns = bits.numpy()
                chosen = torch.from_numpy(patterns[(patterns >> above) == prefix])
                digits = chosen.bitwise_right_shift_(shift).bitwise_and_(_BINS - 1)
            found = torch.bincount(digits).numpy()
            histogram[: len(found)] += found
    return counts
