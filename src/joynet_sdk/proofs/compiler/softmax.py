"""Softmax over j < J, on a row space (row, j) of its own.

d = mx - s on the model's positions, (d, e) in the table of exp; b d = 0 and sum_j b = 1, so that
some d is zero and mx is the maximum; Z = sum_j e; 254 e + Z = 2 Z p + rem, with rem and
2 Z - 1 - rem in limbs, so that p is the quotient.
"""

from collections.abc import Sequence

import numpy as np

from joynet_sdk.proofs.circuit import Eq, Term, r, rho, width
from joynet_sdk.proofs.compiler.builder import Query
from joynet_sdk.proofs.compiler.context import Compiler, Run
from joynet_sdk.proofs.compiler.layout import whole
from joynet_sdk.proofs.compiler.limbs import limbs_of, names_of, number_of, split
from joynet_sdk.proofs.compiler.masks import inside
from joynet_sdk.proofs.compiler.tables import RANGE_12, TableSpec
from joynet_sdk.proofs.compiler.weights import EXPONENTIAL
from joynet_sdk.qmodel.ops import PROBABILITY_STEPS, Softmax

K2 = 2 * PROBABILITY_STEPS


class Probabilities:
    """A softmax of the model."""

    def __init__(self, compiler: Compiler, op: Softmax) -> None:
        self._op = op
        *outer, self._side = compiler.made_shape(op.name)
        self._across, self._down = width(self._side), sum(width(side) for side in outer)
        bits = self._across + self._down
        self._is_full = self._side == 1 << self._across
        self._limbs = limbs_of(2 * self._side * int(op.exp.max()))
        self._small = ["p", *names_of("rem", self._limbs), *names_of("gap", self._limbs)]
        names = ["e", "b", *self._small, *([] if self._is_full else ["d"])]
        self._columns = {name: compiler.advice(bits, f"{op.name}.{name}") for name in names}
        self._rows = {
            name: compiler.advice(self._down, f"{op.name}.{name}") for name in ("mx", "Z")
        }
        table = compiler.constant(f"{op.name}.exp", EXPONENTIAL, op.exp)
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
        self._sums(compiler, value, masks)
        remainder = number_of(value, "rem", self._limbs, -1)
        z = value["Z"]
        quotient = [Term(K2, value["e"]), Term(1, z), Term(-2, z, value["p"])]
        builder.zero(bits, [*quotient, *remainder])
        gap = number_of(value, "gap", self._limbs, -1)
        builder.zero(bits, [Term(2, z), Term(-1), *remainder, *gap])
        small = (Term(compiler.tables.id(RANGE_12)),)
        queries = [Query((Term(1, value[name]),), (), small) for name in self._small]
        number = (Term(compiler.tables.id(self._table)),)
        queries.append(Query(tuple(difference), (Term(1, value["e"]),), number))
        compiler.lookups(bits, queries, self._op.name)

    def _sums(self, compiler: Compiler, value: dict[str, int], masks: Sequence[int]) -> None:
        """sum_j b = 1 and sum_j e = Z, on rows at rho."""
        builder, across, rows = compiler.builder, self._across, rho(0, self._down)
        copies = 1 << across  # of a row's Z in the sum
        equal = [builder.value(Eq(rows, r(across, self._down)))] if self._down else []
        masks = [builder.define([Term(1, *masks, *equal)])] if masks or equal else []
        total = [Term(copies, value["e"], *masks), Term(-1, value["Z"], *equal)]
        builder.sum(across + self._down, [Term(1)], [Term(1, value["b"], *masks)])
        builder.sum(across + self._down, [], total)

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
        values |= split("rem", remainder, self._limbs)
        values |= split("gap", 2 * z - 1 - remainder, self._limbs)
        for name, column in self._columns.items():
            run.write(whole(column), values[name])
        run.write(whole(self._rows["mx"]), mx)
        run.write(whole(self._rows["Z"]), z)
        run.uses += [(RANGE_12, values[name]) for name in self._small]
        run.uses.append((self._table, d))
        run.blocks[self._op.name] = p.ravel()
