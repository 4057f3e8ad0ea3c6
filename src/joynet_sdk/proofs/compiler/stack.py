"""Columns of one row space that lie side by side, claimed and looked up as one.

Entry (row, k) of a stack is column k's value. A relation of the columns at every row is then a sum
over rows and k: `sum eq(rho, row) (w(k) stack(row, k) + [k = 0] rest(row)) = 0`, in which w weighs
the columns and what is in no stack counts once, at k = 0.
"""

from collections.abc import Sequence

import numpy as np

from joynet_sdk.proofs.circuit import Block, Eq, Term, r, rho, width
from joynet_sdk.proofs.compiler.builder import ONE, Builder, Query
from joynet_sdk.proofs.compiler.context import Compiler, Run
from joynet_sdk.proofs.compiler.layout import Integers, Place, whole
from joynet_sdk.proofs.compiler.tables import LIMB_BITS, RANGE_12, TableSpec


class Stack:
    """Named columns of 2^bits rows; those without a table are limbs."""

    def __init__(self, compiler: Compiler, name: str, names: Sequence[str], bits: int) -> None:
        self.bits = bits
        self._names = list(names)
        self._height = width(len(names))
        self._column = compiler.advice(bits + self._height, f"{name} stack")
        self._name = name

    def place(self, name: str) -> Place:
        """One column."""
        return Place(self._column, self._names.index(name) << self.bits, self.bits)

    def at(self, builder: Builder, name: str) -> int:
        """[k = the column's number]."""
        part = r(self.bits, self._height)
        return builder.value(Block(part, self._names.index(name))) if self._height else ONE

    def value(self, builder: Builder) -> int:
        """The stack's claim."""
        return builder.claim(whole(self._column), r(0, self.bits + self._height))

    def number(self, builder: Builder, number: str, count: int) -> list[Term]:
        """Weights of the limbs of a number."""
        return [Term(1 << LIMB_BITS * i, self.at(builder, f"{number}{i}")) for i in range(count)]

    def relate(self, builder: Builder, weights: Sequence[Term], rest: Sequence[Term]) -> None:
        """sum_k w(k) stack(row, k) + rest(row) = 0 on every row.

        Args:
            weights: w, of masks of columns.
            rest: Terms of two factors at most, in r_0 .. r_(bits - 1).
        """
        rows = r(0, self.bits)
        equal = builder.value(Eq(rho(0, self.bits), rows)) if self.bits else ONE
        once = builder.define([Term(1, equal, self.at(builder, self._names[0]))])
        weight = builder.define(weights)
        terms = [Term(1, equal, weight, self.value(builder))]
        for term in rest:
            if term.c != ONE:
                raise ValueError("a product of three beside a stack")
            terms.append(Term(term.coefficient, once, term.a, term.b))
        builder.sum(self.bits + self._height, [], terms)

    def look_up(
        self, compiler: Compiler, extra: Sequence[tuple[str, Sequence[Term], int, TableSpec]] = ()
    ) -> None:
        """Every column in range12, but those of `extra`: (name, added to v, y, table)."""
        builder, small = compiler.builder, compiler.tables.id(RANGE_12)
        v, y, number = [Term(1, self.value(builder))], [], [Term(small)]
        for name, added, answer, table in extra:
            mask = self.at(builder, name)
            v += [Term(term.coefficient, mask, term.a) for term in added]
            y.append(Term(1, mask, answer))
            number.append(Term(compiler.tables.id(table) - small, mask))
        query = Query(tuple(v), tuple(y), tuple(number))
        compiler.lookups(self.bits + self._height, [query], self._name)

    def fill(
        self, run: Run, values: dict[str, Integers], tables: dict[str, tuple[TableSpec, Integers]]
    ) -> None:
        """Write the columns and count their lookups.

        Args:
            values: By name; a column that is missing is zero.
            tables: Lookups of columns that are no limbs.
        """
        for name, value in values.items():
            run.write(self.place(name), value)
        for name in self._names:
            value = values.get(name, np.zeros(1 << self.bits, np.int64))
            run.uses.append(tables.get(name, (RANGE_12, value)))
        spare = (1 << self._height) - len(self._names) << self.bits
        run.uses.append((RANGE_12, np.zeros(spare, np.int64)))
