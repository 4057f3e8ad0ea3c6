"""Where things lie: columns in groups, tensors in columns.

A tensor's dims are padded to powers of two; its last dim has the lowest variables.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from joynet_sdk.proofs.circuit import Group, width

Integers = NDArray[np.int64]


@dataclass(eq=False)
class Column:
    """An aligned slot of 2^bits elements of a group.

    Attributes:
        offset: First element; known once the layout is placed.
    """

    group: Group
    bits: int
    name: str
    offset: int = -1


@dataclass(frozen=True)
class Place:
    """An aligned block of a column: 2^bits elements from `start` of the column."""

    column: Column
    start: int
    bits: int

    @property
    def offset(self) -> int:
        """First element in the group."""
        return self.column.offset + self.start

    @property
    def slot(self) -> int:
        """Number of the slot of this length in the group."""
        return self.offset >> self.bits


def whole(column: Column) -> Place:
    """All of a column."""
    return Place(column, 0, column.bits)


@dataclass(frozen=True)
class Tensor:
    """A tensor of the model as a place in a group.

    Attributes:
        shape: Without padding.
    """

    place: Place
    shape: tuple[int, ...]

    @property
    def widths(self) -> tuple[int, ...]:
        """Variables per dim, outermost first."""
        return tuple(width(side) for side in self.shape)


@dataclass
class Layout:
    """Columns of every group, placed largest first."""

    columns: dict[Group, list[Column]] = field(default_factory=lambda: defaultdict(list))

    def column(self, group: Group, bits: int, name: str) -> Column:
        """A new column."""
        made = Column(group, bits, name)
        self.columns[group].append(made)
        return made

    def place(self) -> None:
        """Give every column its offset."""
        for columns in self.columns.values():
            offset = 0
            for column in sorted(columns, key=lambda each: -each.bits):
                column.offset = offset
                offset += 1 << column.bits

    def span(self, group: Group) -> int:
        """Elements of a group up to its last column's end."""
        ends = [c.offset + (1 << c.bits) for c in self.columns.get(group, [])]
        return max(ends, default=0)

    @property
    def variables(self) -> int:
        """Variables that every group fits in."""
        return max(width(self.span(group)) for group in self.columns)


def padded_shape(shape: Iterable[int]) -> tuple[int, ...]:
    """Every side the next power of two."""
    return tuple(1 << width(side) for side in shape)


def pad(array: NDArray[np.generic], fill: int = 0) -> Integers:
    """An array with every side padded to a power of two."""
    sides = [(0, (1 << width(side)) - side) for side in array.shape]
    return np.pad(array.astype(np.int64), sides, constant_values=fill)
