"""Pooling windows.

Maximum: a tree of (a - b, m - b) in the table of max(., 0), m a column of its own. The elements
of a 2 x 2 window with stride 2 are claims with two constant variables; other windows are gathered
into columns, -128 outside. Average: the sum is one wiring, then requantised.
"""

from dataclasses import dataclass

import numpy as np

from joynet_sdk.proofs.circuit import NO_RANGE, Range, Source, Term, bits, r, rho, width
from joynet_sdk.proofs.compiler.builder import Builder, Query
from joynet_sdk.proofs.compiler.context import Compiler, Run
from joynet_sdk.proofs.compiler.convolution import wires_at
from joynet_sdk.proofs.compiler.layout import Integers, padded_shape, whole
from joynet_sdk.proofs.compiler.tables import TableSpec
from joynet_sdk.qmodel.ops import AvgPool, MaxPool
from joynet_sdk.qmodel.reference import windows

DIFFERENCES = TableSpec("relu", 9)


@dataclass(frozen=True)
class Match:
    """One comparison of a tree: columns or elements a and b, and their maximum."""

    a: int
    b: int
    winner: int


def tree(count: int) -> list[Match]:
    """Comparisons of elements 0 .. count - 1; winners are numbered on, the last one is the root."""
    live = list(range(count))
    matches: list[Match] = []
    while len(live) > 1:
        winner = count + len(matches)
        matches.append(Match(live[0], live[1], winner))
        live = [*live[2:], winner]
    return matches


class Maximum:
    """A maxpool of the model."""

    def __init__(self, compiler: Compiler, op: MaxPool) -> None:
        self._op = op
        self._in, self._out = compiler.shape(op.input), compiler.made_shape(op.name)
        self._bits = sum(width(side) for side in self._out)
        count = op.kernel[0] * op.kernel[1]
        self._matches = tree(count)
        sides = zip(self._in[-2:], self._out[-2:], strict=True)
        halves = all(width(side) == width(out) + 1 for side, out in sides)
        plain = (op.kernel, op.strides) == ((2, 2), (2, 2)) and not any(op.pads)
        self._aligned = plain and halves
        names = [f"{op.name}.{i}" for i in range(count if not self._aligned else 0)]
        self._gathered = [compiler.advice(self._bits, name) for name in names]
        self._winners = [
            compiler.advice(self._bits, f"{op.name}.max{match.winner}") for match in self._matches
        ]
        result = (self._winners or self._gathered)[-1]
        compiler.produce(op.name, whole(result))

    def relate(self, compiler: Compiler) -> None:
        """Gather the window's elements, then look up every comparison."""
        builder = compiler.builder
        if not self._matches:
            self._gather(compiler)
            return
        values = self._elements(compiler)
        values += [builder.claim(whole(column), r(0, self._bits)) for column in self._winners]
        number = (Term(compiler.tables.id(DIFFERENCES)),)
        queries = [
            Query(
                (Term(1, values[m.a]), Term(-1, values[m.b])),
                (Term(1, values[m.winner]), Term(-1, values[m.b])),
                number,
            )
            for m in self._matches
        ]
        compiler.lookups(self._bits, queries, self._op.name)

    def _elements(self, compiler: Compiler) -> list[int]:
        if not self._aligned:
            self._gather(compiler)
            return [
                compiler.builder.claim(whole(column), r(0, self._bits)) for column in self._gathered
            ]
        *_, height, across = (width(side) for side in self._out)
        area = across + height
        px, py, above = r(0, across), r(across, height), r(area, self._bits - area)
        return [
            compiler.read(self._op.input, bits(i % 2), px, bits(i // 2), py, above)
            for i in range(4)
        ]

    def _gather(self, compiler: Compiler) -> None:
        """G(p) + 128 = sum_q wire(p, q) (a(q) + 128), for each place of the window."""
        builder, op = compiler.builder, self._op
        *_, height, across = self._in
        area = width(self._out[-2]) + width(self._out[-1])
        qx, qy = r(0, width(across)), r(width(across), width(height))
        given = compiler.read(op.input, qx, qy, rho(area, self._bits - area))
        for i, column in enumerate(self._gathered):
            ky, kx = divmod(i, op.kernel[1])
            at = Range(Source.BITS, ky, 0), Range(Source.BITS, kx, 0)
            wiring = wires_at(builder, op, (height, across, *self._out[-2:]), at)
            claimed = builder.claim(whole(column), rho(0, self._bits))
            start = [Term(1, claimed), Term(128)]
            builder.sum(qy.start + qy.count, start, [Term(1, wiring, given), Term(128, wiring)])

    def fill(self, run: Run) -> None:
        """Channels beyond the model's are pooled like the others."""
        op = self._op
        full = run.padded(op.input)
        if self._aligned:
            elements = [full[..., i // 2 :: 2, i % 2 :: 2] for i in range(4)]
        else:
            height, across = self._in[-2:]
            seen = windows(op, full.reshape(-1, 1, *full.shape[-2:])[..., :height, :across], -128)
            flat = seen.reshape(-1, *self._out[-2:], op.kernel[0] * op.kernel[1])
            shape = (*full.shape[:-2], *padded_shape(self._out[-2:]))
            elements = [pad_area(flat[..., i], -128).reshape(shape) for i in range(flat.shape[-1])]
            for column, element in zip(self._gathered, elements, strict=True):
                run.write(whole(column), element)
        for match, column in zip(self._matches, self._winners, strict=True):
            a, b = elements[match.a], elements[match.b]
            elements.append(np.maximum(a, b))
            run.write(whole(column), elements[-1])
            run.uses.append((DIFFERENCES, a - b))
        run.blocks[op.name] = elements[-1].ravel()


def pad_area(values: Integers, fill: int) -> Integers:
    """Pad height and width of (channels, height, width)."""
    sides = [(0, 0)] + [(0, (1 << width(side)) - side) for side in values.shape[1:]]
    return np.pad(values, sides, constant_values=fill)


class Average:
    """An avgpool of the model."""

    def __init__(self, compiler: Compiler, op: AvgPool) -> None:
        self._op = op
        self._in, self._out = compiler.shape(op.input), compiler.made_shape(op.name)
        self._rows = compiler.rows(op.name, op.table, self._multiplier_terms)

    def _multiplier_terms(self, _builder: Builder) -> list[Term]:
        return [Term(self._op.multiplier)]

    def relate(self, compiler: Compiler) -> None:
        """One sum over the window."""
        builder, op = compiler.builder, self._op
        *_, height, across = self._in
        qx, qy = r(0, width(across)), r(width(across), width(height))
        area = width(self._out[-2]) + width(self._out[-1])
        given = compiler.read(op.input, qx, qy, rho(area, self._rows.bits - area))
        acc = builder.claim(self._rows.place("ACC"), rho(0, self._rows.bits))
        wiring = wires_at(builder, op, (height, across, *self._out[-2:]), (NO_RANGE, NO_RANGE))
        builder.sum(qy.start + qy.count, [Term(1, acc)], [Term(1, wiring, given)])

    def fill(self, run: Run) -> None:
        """Channels beyond the model's are pooled like the others."""
        op = self._op
        height, across = self._in[-2:]
        full = run.padded(op.input)
        given = full.reshape(-1, 1, *full.shape[-2:])[..., :height, :across]
        acc = windows(op, given, 0)[:, 0].sum(axis=(-2, -1))
        acc = pad_area(acc, 0).reshape(*full.shape[:-2], *padded_shape(self._out[-2:]))
        run.requantise(op.name, acc, np.full(acc.shape, op.multiplier, np.int64), op.table)
