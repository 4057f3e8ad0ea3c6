"""LayerNorm over j < n, on a row space (row, j) of its own.

S = sum_j x, c = n x - S, V = sum_j c^2. R in limbs and both brackets in limbs make R the integer
root: below = 2^60 - R^2 (V + eps), above = (R + 1)^2 (V + eps) - 1 - 2^60. Then ACC = c R and
M ACC + 2^24 bias + 2^35 = 2^36 Q + three limbs, (Q, Y) in the table.
"""

from collections.abc import Sequence

import numpy as np

from joynet_sdk.proofs.circuit import Eq, Term, r, rho, width
from joynet_sdk.proofs.compiler.context import Compiler, Run
from joynet_sdk.proofs.compiler.layout import pad, whole
from joynet_sdk.proofs.compiler.limbs import limbs_of, names_of, split
from joynet_sdk.proofs.compiler.masks import inside
from joynet_sdk.proofs.compiler.stack import Stack
from joynet_sdk.proofs.compiler.tables import LIMB_BITS
from joynet_sdk.proofs.compiler.weights import BIAS, SIGNED_MULTIPLIER
from joynet_sdk.qmodel.ops import (
    LAYERNORM_ROOT_BITS,
    LAYERNORM_SHIFT,
    SHIFT,
    TABLES,
    LayerNorm,
)
from joynet_sdk.qmodel.reference import inverse_root

TOP = 1 << 2 * LAYERNORM_ROOT_BITS
ROOT_LIMBS = limbs_of(1 << LAYERNORM_ROOT_BITS)
REMAINDER_LIMBS = LAYERNORM_SHIFT // LIMB_BITS


class Normalisation:
    """A layernorm of the model."""

    def __init__(self, compiler: Compiler, op: LayerNorm) -> None:
        self._op = op
        *outer, self._side = compiler.made_shape(op.name)
        self._across, self._down = width(self._side), sum(width(side) for side in outer)
        self._bits = self._across + self._down
        self._brackets = limbs_of(_widest(self._side, op.epsilon))
        name = op.name
        row_names = [
            *names_of("R", ROOT_LIMBS),
            *names_of("below", self._brackets),
            *names_of("above", self._brackets),
        ]
        self._limbs = Stack(compiler, f"{name}.rows", row_names, self._down)
        self._quotients = Stack(
            compiler, f"{name}.q", [*names_of("rem", REMAINDER_LIMBS), "q"], self._bits
        )
        self._columns = {
            each: compiler.advice(self._bits, f"{name}.{each}") for each in ("acc", "y")
        }
        self._rows = {
            each: compiler.advice(self._down, f"{name}.{each}") for each in ("S", "V", "R", "R^2")
        }
        self._multiplier = compiler.constant(
            f"{op.name}.multiplier", SIGNED_MULTIPLIER, op.multiplier
        )
        self._bias = compiler.constant(f"{op.name}.bias", BIAS, op.bias)
        self._table = compiler.clamp(op.table)
        compiler.produce(op.name, whole(self._columns["y"]))

    def relate(self, compiler: Compiler) -> None:
        """Sums for the moments, the root and the quotient, and two stacks of lookups."""
        builder, bits = compiler.builder, self._bits
        x = compiler.read(self._op.input, r(0, bits))
        value = {
            name: builder.claim(whole(column), r(0, bits)) for name, column in self._columns.items()
        }
        total, spread, root = (
            builder.claim(whole(self._rows[name]), r(self._across, self._down)) for name in "SVR"
        )
        centred = builder.define([Term(self._side, x), Term(-1, total)])
        self._moment(compiler, total, [x])
        self._moment(compiler, spread, [centred, centred])
        self._root(compiler)
        builder.zero(bits, [Term(1, value["acc"]), Term(-1, centred, root)])
        channel = r(0, self._across)
        multiplier = builder.claim(whole(self._multiplier), channel)
        bias = builder.claim(whole(self._bias), channel)
        quotients = self._quotients
        remainder = quotients.number(builder, "rem", REMAINDER_LIMBS)
        quotients.relate(
            builder,
            [*remainder, Term(1 << LAYERNORM_SHIFT, quotients.at(builder, "q"))],
            [
                Term(-1, multiplier, value["acc"]),
                Term(-(1 << SHIFT), bias),
                Term(-(1 << LAYERNORM_SHIFT - 1)),
            ],
        )
        quotients.look_up(compiler, [("q", [], value["y"], self._table)])

    def _moment(self, compiler: Compiler, moment: int, factors: Sequence[int]) -> None:
        """A row's S or V, which count once per position of j: at rho, all rows at once."""
        builder, across, down = compiler.builder, self._across, self._down
        masks = inside(builder, r(0, across), self._side)
        equal = [builder.value(Eq(rho(0, down), r(across, down)))] if down else []
        mask = [builder.define([Term(1, *masks, *equal)])] if masks or equal else []
        terms = [Term(1 << across, *factors, *mask), Term(-1, moment, *equal)]
        builder.sum(self._bits, [], terms)

    def _root(self, compiler: Compiler) -> None:
        """R is the integer root of 2^60 / (V + epsilon), on every row."""
        builder, limbs, row = compiler.builder, self._limbs, r(0, self._down)
        variance, root, squared = (
            builder.claim(whole(self._rows[name]), row) for name in ("V", "R", "R^2")
        )
        builder.zero(self._down, [Term(1, squared), Term(-1, root, root)])
        spread = builder.define([Term(1, variance), Term(self._op.epsilon)])
        upper = [Term(1, squared, spread), Term(2, root, spread), Term(1, spread)]
        for number, count, rest in (
            ("R", ROOT_LIMBS, [Term(-1, root)]),
            ("below", self._brackets, [Term(-TOP), Term(1, squared, spread)]),
            ("above", self._brackets, [Term(TOP + 1), *(_negative(term) for term in upper)]),
        ):
            limbs.relate(builder, limbs.number(builder, number, count), rest)
        limbs.look_up(compiler)

    def fill(self, run: Run) -> None:
        """Padded rows are normalised like the rest; padded channels have M = 0."""
        op = self._op
        x = run.padded(op.input)
        real = (np.arange(x.shape[-1]) < self._side).astype(np.int64)
        total = (x * real).sum(axis=-1, keepdims=True)
        centred = self._side * x - total
        spread = (centred * centred * real).sum(axis=-1, keepdims=True)
        root = inverse_root(spread, op.epsilon)
        acc = centred * root
        rounded = pad(op.multiplier) * acc + (pad(op.bias) << SHIFT) + (1 << LAYERNORM_SHIFT - 1)
        q = rounded >> LAYERNORM_SHIFT
        y = np.clip(q, *TABLES[op.table])
        for name, column in (("acc", acc), ("y", y)):
            run.write(whole(self._columns[name]), column)
        for name, column in (("S", total), ("V", spread), ("R", root), ("R^2", root * root)):
            run.write(whole(self._rows[name]), column)
        remainder = split("rem", rounded - (q << LAYERNORM_SHIFT), REMAINDER_LIMBS)
        self._quotients.fill(run, {**remainder, "q": q}, {"q": (self._table, q)})
        widened = spread + op.epsilon
        limbs = split("R", root, ROOT_LIMBS)
        limbs |= split("below", TOP - root * root * widened, self._brackets)
        limbs |= split("above", (root + 1) * (root + 1) * widened - 1 - TOP, self._brackets)
        self._limbs.fill(run, limbs, {})
        run.blocks[op.name] = y.ravel()


def _negative(term: Term) -> Term:
    return Term(-term.coefficient, term.a, term.b)


def _widest(side: int, epsilon: int) -> int:
    """Both brackets are below (2 R + 1)(V + epsilon), which grows with V < 2^14 n^3."""
    spread = (side**3 << 14) + epsilon
    return (2 * _root_of(spread) + 1) * spread


def _root_of(spread: int) -> int:
    return int(inverse_root(np.array([spread - 1], np.int64), 1)[0]) + 1
