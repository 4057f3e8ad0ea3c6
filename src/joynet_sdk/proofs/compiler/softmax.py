"""Softmax over j < J, on a row space (row, j) of its own.

d = mx - s on the model's positions, (d, e) in the table of exp; b d = 0 and sum_j b = 1, so that
some d is zero and mx is the maximum; Z = sum_j e; 254 e + Z = 2 Z p + rem, with rem and
2 Z - 1 - rem in limbs, so that p is the quotient.
"""

from collections.abc import Sequence

import numpy as np

from joynet_sdk.proofs.circuit import Eq, Term, r, rho, width
from joynet_sdk.proofs.compiler.context import Compiler, Run
from joynet_sdk.proofs.compiler.layout import whole
from joynet_sdk.proofs.compiler.limbs import limbs_of, names_of, split
from joynet_sdk.proofs.compiler.masks import inside
from joynet_sdk.proofs.compiler.stack import Stack
from joynet_sdk.proofs.compiler.tables import TableSpec
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
        small = ["p", *names_of("rem", self._limbs), *names_of("gap", self._limbs)]
        self._stack = Stack(compiler, op.name, [*small, "d"], bits)
        names = ["e", "b", *([] if self._is_full else ["d"])]
        self._columns = {name: compiler.advice(bits, f"{op.name}.{name}") for name in names}
        self._rows = {
            name: compiler.advice(self._down, f"{op.name}.{name}") for name in ("mx", "Z")
        }
        table = compiler.constant(f"{op.name}.exp", EXPONENTIAL, op.exp)
        self._table = TableSpec("committed", 8, 0, whole(table))
        compiler.produce(op.name, self._stack.place("p"))

    def relate(self, compiler: Compiler) -> None:
        """The maximum, the sums, the quotient, and one stack of lookups."""
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
        stack, z = self._stack, value["Z"]
        remainder = stack.number(builder, "rem", self._limbs)
        gap = stack.number(builder, "gap", self._limbs)
        product = Term(2, z, stack.at(builder, "p"))
        stack.relate(builder, [*remainder, product], [Term(-K2, value["e"]), Term(-1, z)])
        stack.relate(builder, [*remainder, *gap], [Term(-2, z), Term(1)])
        stack.look_up(compiler, [("d", difference, value["e"], self._table)])

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
        values = {"e": e, "b": b, "d": d}
        for name, column in self._columns.items():
            run.write(whole(column), values[name])
        run.write(whole(self._rows["mx"]), mx)
        run.write(whole(self._rows["Z"]), z)
        limbs = split("rem", remainder, self._limbs)
        limbs |= split("gap", 2 * z - 1 - remainder, self._limbs)
        self._stack.fill(run, {"p": p, **limbs}, {"d": (self._table, d)})
        run.blocks[self._op.name] = p.ravel()
