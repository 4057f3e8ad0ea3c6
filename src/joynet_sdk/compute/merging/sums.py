"""Sums that come out the same on every machine: a fixed order, in float64.

`torch.sum` adds in an order that depends on threads and vector width. Here blocks are added
element by element, and what is left is folded in halves. Products of float32 are exact in float64.
"""

import torch

from joynet_sdk.compute.merging.blocks import BLOCK


def folded(values: torch.Tensor, axis: int = -1) -> torch.Tensor:
    """Sum along an axis by adding its second half to its first, again and again.

    Args:
        values: float64; is written to.
    """
    values = values.movedim(axis, -1)
    if not values.shape[-1]:
        return values.new_zeros(values.shape[:-1])
    while (count := values.shape[-1]) > 1:
        half = (count + 1) // 2
        values[..., : count - half].add_(values[..., half:])
        values = values[..., :half]
    return values[..., 0]


class Sum:
    """A float64 sum over blocks that arrive in order, all of one length but the last."""

    def __init__(self) -> None:
        self._lanes = torch.zeros(BLOCK, dtype=torch.float64)
        self._left = torch.empty(BLOCK, dtype=torch.float64)
        self._right = torch.empty(BLOCK, dtype=torch.float64)

    def add_products(self, left: torch.Tensor, right: torch.Tensor) -> None:
        """Add the products of two blocks' elements."""
        for start in range(0, len(left), BLOCK):
            count = len(left[start : start + BLOCK])
            products = self._left[:count].copy_(left[start : start + count])
            if left is right:
                products.mul_(products)
            else:
                products.mul_(self._right[:count].copy_(right[start : start + count]))
            self._lanes[:count].add_(products)

    def add_magnitudes(self, block: torch.Tensor) -> None:
        """Add the magnitudes of a block's elements."""
        for start in range(0, len(block), BLOCK):
            count = len(block[start : start + BLOCK])
            magnitudes = self._left[:count].copy_(block[start : start + count])
            self._lanes[:count].add_(magnitudes.abs_())

    def total(self) -> float:
        """The sum; ends the adding."""
        return float(folded(self._lanes))
