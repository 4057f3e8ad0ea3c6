"""Where things lie: columns in groups, tensors in columns.

A tensor's dims are padded to powers of two; its last dim has the lowest variables.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from joynet_sdk.proofs.circuit import Group, width

Integers = NDArray[np.int64]


@dataclass(eq=False)
class Column:
    """An aligned slot of 2^bits elements of a group, or an aligned part of another column.

    Attributes:
        start: First element in the group or in `parent`; known once the layout is placed.
    """

    group: Group
    bits: int
    name: str
    start: int = -1
    parent: "Column | None" = None

    @property
    def offset(self) -> int:
        """First element in the group."""
        return self.start + (self.parent.offset if self.parent else 0)


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


@dataclass(frozen=True, eq=False)
class Tensor:
    """A tensor of the model inside a block of 2^bits elements.

    Attributes:
        root: Name of the op, input or constant that the block belongs to.
        place: Where the block lies; None for the packed input, which lies in no group.
        sides: Dims of the block, outermost first; padded, they are 2^bits elements.
        positions: For each element its position in the block.
        lead: Sides in front along which the tensor is the same: the batch, for a constant.
    """

    root: str
    place: Place | None
    sides: tuple[int, ...]
    positions: Integers
    lead: tuple[int, ...] = ()

    @property
    def bits(self) -> int:
        """Variables of the block."""
        return sum(width(side) for side in self.sides)

    @property
    def shape(self) -> tuple[int, ...]:
        """Without padding."""
        return self.lead + self.positions.shape

    @cached_property
    def variables(self) -> list[int] | None:
        """For each variable of the tensor (last dim first) the block's; None if it mixes them.

        There are width(side) variables per dim of `positions`. The block's other variables are
        constant, as `base` says.
        """
        found = []
        for axis in reversed(range(self.positions.ndim)):
            for k in range(width(self.positions.shape[axis])):
                index = [0] * self.positions.ndim
                index[axis] = 1 << k
                step = int(self.positions[tuple(index)]) - self.base
                if step <= 0 or step & step - 1 or self.base & step:
                    return None
                found.append(step.bit_length() - 1)
        inside = tuple(slice(0, side) for side in self.positions.shape)
        if len(set(found)) < len(found):
            return None
        return found if np.array_equal(self._spread(found)[inside], self.positions) else None

    @property
    def base(self) -> int:
        """Position of the first element."""
        return int(self.positions.ravel()[0])

    def cube(self) -> Integers:
        """Positions of all elements, padding included."""
        if self.variables is None:
            raise ValueError(f"{self.root}: a view that mixes variables")
        cube = self._spread(self.variables)
        return np.broadcast_to(cube, padded_shape(self.lead) + cube.shape)

    def _spread(self, variables: Sequence[int]) -> Integers:
        cube = np.full(1, self.base, np.int64)
        for variable in variables:
            cube = np.concatenate([cube, cube + (1 << variable)])
        return cube.reshape(padded_shape(self.positions.shape))


def dense(root: str, place: Place | None, shape: tuple[int, ...]) -> Tensor:
    """A tensor that lies in its block as it is, its dims padded."""
    sides = padded_shape(shape)
    size = int(np.prod(sides))
    positions = np.arange(size, dtype=np.int64).reshape(sides)
    return Tensor(root, place, shape, positions[tuple(slice(0, side) for side in shape)])


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
                column.start = offset
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
