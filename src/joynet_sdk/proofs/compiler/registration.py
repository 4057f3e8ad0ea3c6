"""The circuit that a model's weights satisfy once, when the model is registered.

Every entry of W is d_0 + 256 d_1 + .. + the offset of its kind, every d an int8 (`weights.py`);
what belongs to no tensor is zero. The digits above d_0 are columns over a window of W that holds
all wide tensors; elsewhere in the window they are zero. Input and output are one zero byte each.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from joynet_sdk.proofs.circuit import (
    Block,
    Circuit,
    Group,
    Input,
    Io,
    IoShape,
    Output,
    Range,
    Term,
    r,
    width,
)
from joynet_sdk.proofs.codec import encode
from joynet_sdk.proofs.compiler.builder import ONE, Builder, Query
from joynet_sdk.proofs.compiler.compile import CompiledModel
from joynet_sdk.proofs.compiler.layout import Column, Integers, Layout, Place, whole
from joynet_sdk.proofs.compiler.masks import inside, product
from joynet_sdk.proofs.compiler.tables import TableSet, TableSpec
from joynet_sdk.proofs.compiler.weights import Weight
from joynet_sdk.proofs.rules import check

INT8_TABLE = TableSpec("range", 8, -128)
FINENESS = 3  # W is looked up in aligned parts of at least 2^-3 of it


@dataclass(frozen=True)
class Attestation:
    """The registration circuit of a model, and what proves it.

    Attributes:
        advice: Group A up to its span; group W is the model's.
    """

    circuit: Circuit
    descriptor: bytes
    advice: Integers


def attest(compiled: CompiledModel) -> Attestation:
    """The registration circuit of a compiled model."""
    return _Registration(compiled.tensors_of_weights, compiled.weights).build()


class _Registration:
    def __init__(self, tensors: Sequence[Weight], values: Integers) -> None:
        self._tensors = tensors
        self._values = values
        self._layout = Layout()
        self._bits = max(width(len(values)), INT8_TABLE.bits)
        self._weights = self._layout.column(Group.W, self._bits, "weights")
        self._builder = Builder(self._layout)
        self._tables = TableSet()
        wide = [each for each in tensors if each.kind.digits > 1]
        self._window = _window(self._weights, wide)
        self._digits = [
            self._layout.column(Group.A, self._window.bits, f"digit {i}")
            for i in range(1, max((each.kind.digits for each in wide), default=1))
        ]
        self._spare = 0  # lookups of 0 that fill up a stack

    def build(self) -> Attestation:
        """Write every relation, then the advice."""
        builder = self._builder
        point = builder.recipe()
        io = [Term(1, builder.value(Input(point))), Term(1, builder.value(Output(point)))]
        builder.sum(0, io, [])
        self._relate_padding()
        if self._digits:
            self._relate_digits()
        parts = self._parts()
        for place in parts:
            self._look_up(place)
        self._tables.build(builder)
        byte = IoShape(Io.PACKED, (1,))
        circuit = builder.build(byte, byte)
        check(circuit)
        return Attestation(circuit, encode(circuit), self._advice(parts))

    def _parts(self) -> list[Place]:
        """Aligned parts that cover W, the window within one of them."""
        step = max(self._window.bits, self._bits - FINENESS, INT8_TABLE.bits)
        parts, start = [], 0
        while start < len(self._values):
            left = -(-(len(self._values) - start) >> step)  # in steps, rounded up
            bits = step + left.bit_length() - 1
            parts.append(Place(self._weights, start, bits))
            start += 1 << bits
        return parts

    def _relate_padding(self) -> None:
        """W is zero outside the tensors' shapes."""
        builder, bits = self._builder, self._bits
        w = builder.claim(whole(self._weights), r(0, bits))
        shapes = []
        for each in self._tensors:
            masks, start = [self._block(each, bits)], 0
            for side in reversed(each.shape):
                masks += inside(builder, r(start, width(side)), side)
                start += width(side)
            shapes.append(product(builder, masks))
        builder.zero(bits, [Term(1, w), Term(-1, w, builder.define(shapes))])

    def _relate_digits(self) -> None:
        """Digits of the window are int8, and zero where a tensor's kind has no such digit."""
        builder, bits = self._builder, self._window.bits
        queries = []
        for i, column in enumerate(self._digits, 1):
            digit = builder.claim(whole(column), r(0, bits))
            places = builder.define(
                Term(1, self._block(each, bits)) for each in self._tensors if each.kind.digits > i
            )
            builder.zero(bits, [Term(1, digit), Term(-1, digit, places)])
            queries.append(self._query([Term(1, digit)]))
        builder.lookups(bits, queries, self._tables.id(INT8_TABLE), "digits")
        self._spare = (1 << bits + width(len(queries))) - (len(queries) << bits)

    def _look_up(self, place: Place) -> None:
        """d_0 of a part of W is an int8."""
        builder, bits = self._builder, place.bits
        terms = [Term(1, builder.claim(place, r(0, bits)))]
        window = self._window
        if place.start <= window.start < place.start + (1 << bits):
            above = r(window.bits, bits - window.bits)
            top = self._bit_mask(above, window.start - place.start >> window.bits)
            for i, column in enumerate(self._digits, 1):
                digit = builder.claim(whole(column), r(0, window.bits))
                terms.append(Term(-(1 << 8 * i), top, digit))
            for each in self._tensors:
                if each.kind.offset:
                    block = self._block(each, window.bits)
                    terms.append(Term(-each.kind.offset, top, block))
        builder.lookups(bits, [self._query(terms)], self._tables.id(INT8_TABLE), "weights")

    def _query(self, v: Sequence[Term]) -> Query:
        return Query(tuple(v), (), (Term(self._tables.id(INT8_TABLE)),))

    def _block(self, each: Weight, bits: int) -> int:
        """Mask of a tensor's column among the first `bits` variables of W."""
        number = (each.column.offset & (1 << bits) - 1) >> each.column.bits
        return self._bit_mask(r(each.column.bits, bits - each.column.bits), number)

    def _bit_mask(self, part: Range, number: int) -> int:
        return self._builder.value(Block(part, number)) if part.count else ONE

    def _advice(self, parts: Sequence[Place]) -> Integers:
        advice = np.zeros(self._layout.span(Group.A), np.int64)
        lowest = np.zeros(parts[-1].start + (1 << parts[-1].bits), np.int64)
        lowest[: len(self._values)] = self._values
        for each in self._tensors:
            start = each.column.offset
            values = lowest[start : start + each.values.size]
            values -= each.kind.offset
            digits = each.kind.split(each.values)
            for i, (column, digit) in enumerate(zip(self._digits, digits, strict=False), 1):
                at = column.offset + start - self._window.start
                advice[at : at + digit.size] = digit
                values -= digit << 8 * i
        uses = [lowest, np.zeros(self._spare, np.int64)]
        for column in self._digits:
            uses.append(advice[column.offset : column.offset + (1 << column.bits)])
        self._tables.count(advice, [(INT8_TABLE, values) for values in uses])
        return advice


def _window(weights: Column, wide: Sequence[Weight]) -> Place:
    """The least aligned part of W with all of these."""
    if not wide:
        return Place(weights, 0, 0)
    first = min(each.column.offset for each in wide)
    last = max(each.column.offset + (1 << each.column.bits) for each in wide) - 1
    bits = (first ^ last).bit_length()
    return Place(weights, first >> bits << bits, bits)
