"""LayerNorm over j < n, on a row space (row, j) of its own.

S = sum_j x, c = n x - S, V = sum_j c^2. R in limbs and both brackets in limbs make R the integer
root: below = 2^60 - R^2 (V + eps), above = (R + 1)^2 (V + eps) - 1 - 2^60. Then ACC = c R and
M ACC + 2^24 bias + 2^35 = 2^36 Q + three limbs, (Q, Y) in the table.
"""

from collections.abc import Sequence

import numpy as np

from joynet_sdk.proofs.circuit import Eq, Term, r, rho, width
from joynet_sdk.proofs.compiler.builder import Query
from joynet_sdk.proofs.compiler.context import Compiler, Run
from joynet_sdk.proofs.compiler.layout import Column, Integers, pad, whole
from joynet_sdk.proofs.compiler.limbs import limbs_of, names_of, number_of, split
from joynet_sdk.proofs.compiler.masks import inside
from joynet_sdk.proofs.compiler.tables import LIMB_BITS, RANGE_12
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
        names = ("acc", "q", "y", *names_of("rem", REMAINDER_LIMBS))
        row_names = (
            *("S", "V", "square"),
            *names_of("R", ROOT_LIMBS),
            *names_of("below", self._brackets),
            *names_of("above", self._brackets),
        )
        self._columns = self._advice(compiler, names, self._bits)
        self._rows = self._advice(compiler, row_names, self._down)
        self._multiplier = compiler.constant(
            f"{op.name}.multiplier", SIGNED_MULTIPLIER, op.multiplier
        )
        self._bias = compiler.constant(f"{op.name}.bias", BIAS, op.bias)
        self._table = compiler.clamp(op.table)
        compiler.produce(op.name, whole(self._columns["y"]))

    def _advice(self, compiler: Compiler, names: Sequence[str], bits: int) -> dict[str, Column]:
        return {name: compiler.advice(bits, f"{self._op.name}.{name}") for name in names}

    def relate(self, compiler: Compiler) -> None:
        """Two sums, five relations and two stacks of lookups."""
        builder, across, bits = compiler.builder, self._across, self._bits
        value = {name: builder.claim(whole(c), r(0, bits)) for name, c in self._columns.items()}
        x = compiler.read(self._op.input, r(0, bits))
        row = r(across, self._down)
        total = builder.claim(whole(self._rows["S"]), row)
        centred = builder.define([Term(self._side, x), Term(-1, total)])
        self._moment(compiler, total, [x])
        self._moment(compiler, builder.claim(whole(self._rows["V"]), row), [centred, centred])
        self._root(compiler)
        limbs = {
            name: builder.claim(whole(self._rows[name]), row) for name in names_of("R", ROOT_LIMBS)
        }
        root = builder.define(number_of(limbs, "R", ROOT_LIMBS))
        builder.zero(bits, [Term(1, value["acc"]), Term(-1, centred, root)])
        channel = r(0, across)
        multiplier = builder.claim(whole(self._multiplier), channel)
        bias = builder.claim(whole(self._bias), channel)
        scaled = [Term(1, multiplier, value["acc"]), Term(1 << SHIFT, bias)]
        quotient = [Term(1 << LAYERNORM_SHIFT - 1), Term(-(1 << LAYERNORM_SHIFT), value["q"])]
        remainder = number_of(value, "rem", REMAINDER_LIMBS, -1)
        builder.zero(bits, [*scaled, *quotient, *remainder])
        tables = compiler.tables
        queries = [_small(compiler, value[name]) for name in names_of("rem", REMAINDER_LIMBS)]
        number = (Term(tables.id(self._table)),)
        queries.append(Query((Term(1, value["q"]),), (Term(1, value["y"]),), number))
        compiler.lookups(bits, queries, self._op.name)

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
        builder, down = compiler.builder, self._down
        names = [name for name in self._rows if name != "S"]
        value = {name: builder.claim(whole(self._rows[name]), r(0, down)) for name in names}
        root = builder.define(number_of(value, "R", ROOT_LIMBS))
        squared = value["square"]
        builder.zero(down, [Term(1, squared), Term(-1, root, root)])
        spread = builder.define([Term(1, value["V"]), Term(self._op.epsilon)])
        below = number_of(value, "below", self._brackets, -1)
        above = number_of(value, "above", self._brackets, -1)
        builder.zero(down, [Term(TOP), Term(-1, squared, spread), *below])
        upper = [Term(1, squared, spread), Term(2, root, spread), Term(1, spread)]
        builder.zero(down, [*upper, Term(-TOP - 1), *above])
        queries = [_small(compiler, value[name]) for name in names if name not in ("V", "square")]
        compiler.lookups(down, queries, f"{self._op.name}.rows")

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
        values = {"acc": acc, "q": q, "y": y}
        values |= split("rem", rounded - (q << LAYERNORM_SHIFT), REMAINDER_LIMBS)
        rows = {"S": total, "V": spread, "square": root * root}
        limbs = split("R", root, ROOT_LIMBS)
        widened = spread + op.epsilon
        limbs |= split("below", TOP - root * root * widened, self._brackets)
        limbs |= split("above", (root + 1) * (root + 1) * widened - 1 - TOP, self._brackets)
        self._write(run, values, {**rows, **limbs})
        run.uses += [(RANGE_12, limb) for limb in limbs.values()]
        run.uses += [(RANGE_12, values[name]) for name in names_of("rem", REMAINDER_LIMBS)]
        run.uses.append((self._table, q))
        run.blocks[op.name] = y.ravel()

    def _write(self, run: Run, values: dict[str, Integers], rows: dict[str, Integers]) -> None:
        for name, column in self._columns.items():
            run.write(whole(column), values[name])
        for name, column in self._rows.items():
            run.write(whole(column), rows[name])


def _small(compiler: Compiler, value: int) -> Query:
    return Query((Term(1, value),), (), (Term(compiler.tables.id(RANGE_12)),))


def _widest(side: int, epsilon: int) -> int:
    """Both brackets are below (2 R + 1)(V + epsilon), which grows with V < 2^14 n^3."""
    spread = (side**3 << 14) + epsilon
    return (2 * _root_of(spread) + 1) * spread


def _root_of(spread: int) -> int:
    return int(inverse_root(np.array([spread - 1], np.int64), 1)[0]) + 1
