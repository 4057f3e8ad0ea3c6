"""Softmax over j < J, on a row space (row, j) of its own.

d = mx - s on the model's positions, (d, e) in the table of exp; b d = 0 and sum_j b = 1, so that
some d is zero and mx is the maximum; Z = sum_j e; 254 e + Z = 2 Z p + rem, with rem and
2 Z - 1 - rem in limbs, so that p is the quotient.
"""

from collections.abc import Sequence

import numpy as np

from joynet_sdk.proofs.circuit import Group, Term, r, rho, width
from joynet_sdk.proofs.compiler.builder import Query
from joynet_sdk.proofs.compiler.compile import Compiler, Run
from joynet_sdk.proofs.compiler.layout import Integers, whole
from joynet_sdk.proofs.compiler.masks import inside
from joynet_sdk.proofs.compiler.tables import LIMB_BITS, RANGE_12, TableSpec
from joynet_sdk.qmodel.ops import PROBABILITY_STEPS, Softmax

K2 = 2 * PROBABILITY_STEPS


class Probabilities:
    """A softmax of the model."""

    def __init__(self, compiler: Compiler, op: Softmax) -> None:
        self._op = op
        *outer, self._side = compiler.model.shapes[op.input]
        self._across, self._down = width(self._side), sum(width(side) for side in outer)
        bits = self._across + self._down
        self._is_full = self._side == 1 << self._across
        largest = 2 * self._side * int(op.exp.max())
        self._limbs = -(-largest.bit_length() // LIMB_BITS)
        limbs = [f"{part}{i}" for part in ("rem", "gap") for i in range(self._limbs)]
        names = ["e", "b", "p", *limbs, *([] if self._is_full else ["d"])]
        layout = compiler.layout
        self._columns = {name: layout.column(Group.A, bits, f"{op.name}.{name}") for name in names}
        self._rows = {
            name: layout.column(Group.A, self._down, f"{op.name}.{name}") for name in ("mx", "Z")
        }
        table = compiler.constant(f"{op.name}.exp", op.exp.astype(np.int64))
        self._table = TableSpec("committed", 8, 0, whole(table))
        compiler.produce(op.name, whole(self._columns["p"]))

    def relate(self, compiler: Compiler) -> None:
        """Five relations and one stack of lookups."""
        builder, across, bits = compiler.builder, self._across, self._across + self._down
        point, row = r(0, bits), r(across, self._down)
        value = {name: builder.claim(whole(c), point) for name, c in self._columns.items()}
        value |= {name: builder.claim(whole(c), row) for name, c in self._rows.items()}
        value["s"] = compiler.read(self._op.input, point)
        masks = inside(builder, r(0, across), self._side)
        difference = [Term(1, value["mx"]), Term(-1, value["s"])]
        if not self._is_full:
            (mask,) = masks
            d = Term(-1, mask, value["d"])
            builder.zero(bits, [d, *(Term(t.coefficient, t.a, mask) for t in difference)])
            difference = [Term(1, value["d"])]
        builder.zero(bits, [Term(t.coefficient, t.a, value["b"]) for t in difference])
        self._sums(compiler, masks)
        remainder = self._number(value, "rem")
        z = value["Z"]
        quotient = [Term(K2, value["e"]), Term(1, z), Term(-2, z, value["p"])]
        builder.zero(bits, [*quotient, *_negative(remainder)])
        gap = _negative([*remainder, *self._number(value, "gap")])
        builder.zero(bits, [Term(2, z), Term(-1), *gap])
        small = (Term(compiler.tables.id(RANGE_12)),)
        names = ["p", *(f"{part}{i}" for part in ("rem", "gap") for i in range(self._limbs))]
        queries = [Query((Term(1, value[name]),), (), small) for name in names]
        number = (Term(compiler.tables.id(self._table)),)
        queries.append(Query(tuple(difference), (Term(1, value["e"]),), number))
        compiler.lookups(bits, queries, self._op.name)

    def _sums(self, compiler: Compiler, masks: Sequence[int]) -> None:
        """sum_j b = 1 and sum_j e = Z, on rows at rho."""
        builder, across = compiler.builder, self._across
        rows = rho(0, self._down)
        for name, start in (
            ("b", Term(1)),
            ("e", Term(1, builder.claim(whole(self._rows["Z"]), rows))),
        ):
            claimed = builder.claim(whole(self._columns[name]), r(0, across), rows)
            builder.sum(across, [start], [Term(1, claimed, *masks)])

    def _number(self, value: dict[str, int], part: str) -> list[Term]:
        """The number that limbs stand for."""
        return [Term(1 << LIMB_BITS * i, value[f"{part}{i}"]) for i in range(self._limbs)]

    def fill(self, run: Run) -> None:
        """Padded positions j take d = 0 (or what they are, where there are none)."""
        s = run.padded(self._op.input).reshape(-1, 1 << self._across)
        real = np.arange(s.shape[1]) < self._side
        mx = s[:, : self._side].max(axis=1, keepdims=True)
        d = np.where(real, mx - s, 0)
        e = self._op.exp.astype(np.int64)[d]
        z = (e * real).sum(axis=1, keepdims=True)
        p = (K2 * e + z) // (2 * z)
        remainder = K2 * e + z - 2 * z * p
        b = np.zeros_like(s)
        b[np.arange(len(s)), s[:, : self._side].argmax(axis=1)] = 1
        values = {"e": e, "b": b, "p": p, "d": d}
        for part, number in (("rem", remainder), ("gap", 2 * z - 1 - remainder)):
            values |= {f"{part}{i}": limb for i, limb in enumerate(_limbs(number, self._limbs))}
        for name, column in self._columns.items():
            run.write(whole(column), values[name])
        run.write(whole(self._rows["mx"]), mx)
        run.write(whole(self._rows["Z"]), z)
        run.uses += [(RANGE_12, values[name]) for name in values if name not in ("e", "b", "d")]
        run.uses.append((self._table, d))
        run.blocks[self._op.name] = p.ravel()


def _negative(terms: Sequence[Term]) -> list[Term]:
    return [Term(-term.coefficient, term.a, term.b) for term in terms]


def _limbs(values: Integers, count: int) -> list[Integers]:
    """Base 2^12 digits, lowest first."""
    mask = (1 << LIMB_BITS) - 1
    return [values >> LIMB_BITS * i & mask for i in range(count)]
