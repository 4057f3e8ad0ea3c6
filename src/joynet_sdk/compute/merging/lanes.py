"""A tensor as one vector, or as many that lie along one of its axes; sums over each of them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import torch

from joynet_sdk.compute.merging.sums import Sum, folded


class LaneSums(Protocol):
    """Sums of products over each lane."""

    def add_products(self, left: torch.Tensor, right: torch.Tensor) -> None:
        """Add the products of two blocks' elements; blocks arrive in order."""

    def totals(self) -> list[float]:
        """The sum of each lane; ends the adding."""


@dataclass(frozen=True)
class Lanes:
    """How a tensor is cut into vectors.

    Attributes:
        unit: Blocks are whole multiples of so many elements.
        kind: One vector; one along the last axis; or one along the first.
    """

    unit: int
    kind: Literal["whole", "last", "first"]

    @classmethod
    def whole(cls) -> "Lanes":
        """The tensor is one vector."""
        return cls(1, "whole")

    @classmethod
    def along_last(cls, shape: Sequence[int]) -> "Lanes":
        """Each row is a vector."""
        return cls(shape[-1], "last")

    @classmethod
    def along_first(cls, shape: Sequence[int]) -> "Lanes":
        """Each column is a vector."""
        return cls(math.prod(shape[1:]), "first")

    def sums(self) -> LaneSums:
        """Zero for each lane."""
        if self.kind == "whole":
            return _Whole()
        return _Rows(self.unit) if self.kind == "last" else _Columns(self.unit)

    def scale(self, block: torch.Tensor, factors: torch.Tensor, span: slice) -> torch.Tensor:
        """Multiply the block `span` in place, each lane with its factor."""
        if self.kind == "whole":
            return block.mul_(factors)
        if self.kind == "last":
            rows = slice(span.start // self.unit, span.stop // self.unit)
            block.view(-1, self.unit).mul_(factors[rows, None])
        else:
            block.view(-1, self.unit).mul_(factors)
        return block


class _Whole:
    def __init__(self) -> None:
        self._sum = Sum()

    def add_products(self, left: torch.Tensor, right: torch.Tensor) -> None:
        self._sum.add_products(left, right)

    def totals(self) -> list[float]:
        return [self._sum.total()]


class _Rows:
    def __init__(self, unit: int) -> None:
        self._unit, self._totals = unit, list[float]()

    def add_products(self, left: torch.Tensor, right: torch.Tensor) -> None:
        products = left.to(torch.float64) * right
        self._totals += folded(products.view(-1, self._unit)).tolist()

    def totals(self) -> list[float]:
        return self._totals


class _Columns:
    def __init__(self, unit: int) -> None:
        self._unit, self._sums = unit, torch.zeros(unit, dtype=torch.float64)

    def add_products(self, left: torch.Tensor, right: torch.Tensor) -> None:
        products = left.to(torch.float64) * right
        self._sums.add_(folded(products.view(-1, self._unit), axis=0))

    def totals(self) -> list[float]:
        totals: list[float] = self._sums.tolist()
        return totals
