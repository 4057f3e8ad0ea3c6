"""Row spaces: the rows that layers requantise, side by side.

Columns ACC, Q, Y, L0, L1 of A; on each row M ACC + 2^23 = 2^24 Q + 2^12 L1 + L0, both limbs
below 2^12 and (Q, Y) in the block's table. Rows of no block have M = 0 and use the first table.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from joynet_sdk.proofs.circuit import Block as BlockValue
from joynet_sdk.proofs.circuit import Group, Term, r, width
from joynet_sdk.proofs.compiler.builder import Builder, Query
from joynet_sdk.proofs.compiler.layout import Column, Integers, Layout, Place, whole
from joynet_sdk.proofs.compiler.tables import LIMB_BITS, RANGE_12, TableSet, TableSpec
from joynet_sdk.qmodel.ops import SHIFT

COLUMNS = ("ACC", "Q", "Y", "L0", "L1")
SPLIT_SAVES = 1 << 13
"""Rows that a second row space must save: it costs about 25k gas."""

MultiplierTerms = Callable[[Builder], Sequence[Term]]


@dataclass(eq=False)
class Rows:
    """Rows that one op requantises.

    Attributes:
        bits: Variables of its output tensor, padded.
        table: The table of (Q, Y).
        multiplier: Terms of M in the block's variables r_0 .. r_(bits - 1), one operand each.
        start: First row in its row space.
    """

    name: str
    bits: int
    table: TableSpec
    multiplier: MultiplierTerms
    start: int = 0

    def __post_init__(self) -> None:
        self._columns = {
            column: Column(Group.A, self.bits, f"{self.name}.{column}") for column in COLUMNS
        }

    def place(self, column: str) -> Place:
        """This block's part of a column."""
        return whole(self._columns[column])

    def settle(self, columns: dict[str, Column], start: int) -> None:
        """Lie in the columns of a row space."""
        self.start = start
        for name, column in self._columns.items():
            column.start, column.parent = start, columns[name]


@dataclass(eq=False)
class RowSpace:
    """2^bits rows."""

    bits: int
    blocks: list[Rows]
    columns: dict[str, Column]

    def relate(self, builder: Builder, tables: TableSet) -> Sequence[Query]:
        """The requantisation of every row; returns its lookups."""
        n = self.bits
        acc, q, y, low, high = (
            builder.claim(whole(self.columns[name]), r(0, n)) for name in COLUMNS
        )
        default = tables.id(self.blocks[0].table)
        multiplier: list[Term] = []
        ids = [Term(default)]
        for block in self.blocks:
            above = r(block.bits, n - block.bits)
            where = builder.value(BlockValue(above, block.start >> block.bits))
            multiplier += [
                Term(term.coefficient, where, term.a) for term in block.multiplier(builder)
            ]
            ids.append(Term(tables.id(block.table) - default, where))
        m = builder.define(multiplier)
        relation = [Term(1, m, acc), Term(1 << SHIFT - 1), Term(-(1 << SHIFT), q)]
        builder.zero(n, [*relation, Term(-1, low), Term(-(1 << LIMB_BITS), high)])
        limbs = tables.id(RANGE_12)
        return (
            Query((Term(1, low),), (), (Term(limbs),)),
            Query((Term(1, high),), (), (Term(limbs),)),
            Query((Term(1, q),), (Term(1, y),), tuple(ids)),
        )


def pack(layout: Layout, blocks: Sequence[Rows]) -> list[RowSpace]:
    """Put blocks into one or two row spaces, largest first."""
    ordered = sorted(blocks, key=lambda block: -block.bits)
    rows = [1 << block.bits for block in ordered]

    def cost(cut: int) -> int:
        parts = [sum(part) for part in (rows[:cut], rows[cut:]) if part]
        return sum(1 << width(part) for part in parts) + SPLIT_SAVES * len(parts)

    if not blocks:
        return []
    cut = min(range(1, len(rows) + 1), key=cost)
    spaces = []
    for part in (ordered[:cut], ordered[cut:]):
        if not part:
            continue
        bits = width(sum(1 << block.bits for block in part))
        columns = {name: layout.column(Group.A, bits, name) for name in COLUMNS}
        space = RowSpace(bits, list(part), columns)
        start = 0
        for block in part:
            block.settle(columns, start)
            start += 1 << block.bits
        spaces.append(space)
    return spaces


def fill(
    advice: Integers, space: RowSpace, values: dict[str, tuple[Integers, Integers, Integers]]
) -> list[tuple[TableSpec, Integers]]:
    """Write a row space: per block (ACC, M, Y), flat and padded; returns its lookups."""
    uses = []
    used = 0
    for block in space.blocks:
        acc, multiplier, y = values[block.name]
        rounded = multiplier * acc + (1 << SHIFT - 1)
        q = rounded >> SHIFT
        remainder = rounded - (q << SHIFT)
        low, high = remainder & (1 << LIMB_BITS) - 1, remainder >> LIMB_BITS
        for name, column in zip(COLUMNS, (acc, q, y, low, high), strict=True):
            place = block.place(name)
            advice[place.offset : place.offset + len(column)] = column
        uses += [(RANGE_12, low), (RANGE_12, high), (block.table, q)]
        used += len(acc)
    return [*uses, *_gaps(advice, space, used)]


def _gaps(advice: Integers, space: RowSpace, used: int) -> list[tuple[TableSpec, Integers]]:
    """Rows of no block."""
    size = 1 << space.bits
    zeros = np.zeros(size - used, np.int64)
    high = np.full(size - used, 1 << SHIFT - 1 - LIMB_BITS, np.int64)
    column = space.columns["L1"].offset
    advice[column + used : column + size] = high
    return [(RANGE_12, zeros), (RANGE_12, high), (space.blocks[0].table, zeros)]
