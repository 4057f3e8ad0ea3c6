"""The tables that lookups of a circuit refer to, and how often each row was used."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from joynet_sdk.proofs.circuit import Clamp, Ramp, Squash, Term, r
from joynet_sdk.proofs.compiler.builder import Builder
from joynet_sdk.proofs.compiler.layout import Column, Integers, Place

LIMB_BITS = 12
Kind = Literal["range", "clamp", "relu-clamp", "relu", "committed"]


@dataclass(frozen=True)
class TableSpec:
    """A table of 2^bits rows.

    Attributes:
        kind: "range" (v, 0) for v from 0; "clamp", "relu-clamp" and "relu" (q, T(q)) for q from
            -2^(bits-1); "committed" (v, y) for v from `first`, y a slot of W.
        place: Where y lies, for "committed".
    """

    kind: Kind
    bits: int
    first: int = 0
    place: Place | None = None

    @property
    def lowest(self) -> int:
        """v of row 0."""
        return self.first if self.kind in ("range", "committed") else -(1 << self.bits - 1)


RANGE_12 = TableSpec("range", LIMB_BITS)
SQUASH = {"clamp": Squash.CLAMP, "relu-clamp": Squash.RELU_CLAMP, "relu": Squash.RELU}


@dataclass
class TableSet:
    """Tables by number; ids start at 1, in the order in which they are asked for."""

    ids: dict[TableSpec, int] = field(default_factory=dict)
    columns: dict[int, tuple[Column, list[TableSpec]]] = field(default_factory=dict)

    def id(self, spec: TableSpec) -> int:
        """The table's id."""
        return self.ids.setdefault(spec, len(self.ids) + 1)

    def build(self, builder: Builder) -> None:
        """TABLE instances, one per length of tables, widest first."""
        for bits in sorted({spec.bits for spec in self.ids}, reverse=True):
            specs = [spec for spec in self.ids if spec.bits == bits]
            rows = [(self.ids[spec], *_rows(builder, spec)) for spec in specs]
            self.columns[bits] = builder.tables(bits, rows, f"tables of 2^{bits}"), specs

    def count(self, advice: Integers, uses: Iterable[tuple[TableSpec, Integers]]) -> None:
        """Write the multiplicities of these lookups (their v) into group A."""
        for spec, values in uses:
            if not values.size:
                continue
            column, specs = self.columns[spec.bits]
            start = column.offset + (specs.index(spec) << spec.bits)
            rows = np.bincount((values - spec.lowest).ravel(), minlength=1 << spec.bits)
            advice[start : start + (1 << spec.bits)] += rows


def _rows(builder: Builder, spec: TableSpec) -> tuple[tuple[Term, ...], tuple[Term, ...]]:
    point = r(0, spec.bits)
    v = (Term(1, builder.value(Ramp(point, 0))), Term(spec.lowest))
    if spec.kind == "range":
        return v, ()
    if spec.place is not None:
        return v, (Term(1, builder.claim(spec.place, point)),)
    return v, (Term(1, builder.value(Clamp(point, SQUASH[spec.kind]))),)


Uses = Callable[[TableSpec, Integers], None]
