"""The state of a compilation, and of one input's way through a circuit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.proofs.circuit import Group, Input, Range, Source, bits, width
from joynet_sdk.proofs.compiler.builder import Builder, Query
from joynet_sdk.proofs.compiler.layout import (
    Column,
    Integers,
    Layout,
    Place,
    Tensor,
    dense,
    whole,
)
from joynet_sdk.proofs.compiler.requantise import MultiplierTerms, Rows
from joynet_sdk.proofs.compiler.tables import RANGE_12, TableSet, TableSpec
from joynet_sdk.proofs.compiler.weights import INT8, Kind, Weight, weight
from joynet_sdk.proofs.compiler.widths import q_bits_of
from joynet_sdk.qmodel.model import QModel
from joynet_sdk.qmodel.ops import SHIFT, TABLES


class Relation(Protocol):
    """One op of the model in the circuit.

    When made, it asks for columns and rows and says where its output lies.
    """

    def relate(self, compiler: "Compiler") -> None:
        """Write the op's relations."""

    def fill(self, run: "Run") -> None:
        """Compute the op's integers on padded tensors and write them into group A."""


@dataclass
class Compiler:
    """The state of one compilation.

    Attributes:
        lead: (batch,) in front of every tensor but constants when many inputs are proved at once.
        tensors: Where the tensors made so far lie.
        spare: Lookups of (0, 0) in range12 that fill up stacks.
    """

    model: QModel
    lead: tuple[int, ...] = ()
    layout: Layout = field(default_factory=Layout)
    tables: TableSet = field(default_factory=TableSet)
    blocks: list[Rows] = field(default_factory=list)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    weights: list[Weight] = field(default_factory=list)
    public: dict[Group, Column] = field(default_factory=dict)
    spare: int = 0

    def __post_init__(self) -> None:
        self.builder = Builder(self.layout)
        self.q_bits = q_bits_of(self.model)

    def shape(self, name: str) -> tuple[int, ...]:
        """A tensor's shape, batch included."""
        return self.tensors[name].shape

    def variables(self, name: str) -> int:
        """Variables of a tensor, padded."""
        return sum(width(side) for side in self.shape(name))

    def made_shape(self, name: str) -> tuple[int, ...]:
        """The shape of what an op makes, batch included."""
        return self.lead + self.model.shapes[name]

    def constant(self, name: str, kind: Kind, array: NDArray[np.generic]) -> Column:
        """A tensor of group W."""
        column = self.layout.column(Group.W, sum(width(side) for side in array.shape), name)
        self.weights.append(weight(column, kind, array))
        return column

    def read_constants(self) -> None:
        """Put the model's constants into group W, once for all of a batch."""
        for name, array in self.model.constants.items():
            place = whole(self.constant(name, INT8, array))
            self.tensors[name] = replace(dense(name, place, array.shape), lead=self.lead)

    def advice(self, bits: int, name: str) -> Column:
        """A column of group A."""
        return self.layout.column(Group.A, bits, name)

    def rows(
        self,
        name: str,
        table: str,
        multiplier: MultiplierTerms,
        shape: tuple[int, ...] | None = None,
    ) -> Rows:
        """Rows for a requantised output, which lies there from now on.

        Args:
            shape: How it lies, batch included; the tensor's own shape by default.
        """
        shape = shape or self.made_shape(name)
        made = Rows(name, sum(width(side) for side in shape), self.clamp(table), multiplier)
        self.blocks.append(made)
        self.tensors[name] = dense(name, made.place("Y"), shape)
        return made

    def clamp(self, table: str) -> TableSpec:
        """The table of an op's clamp."""
        return TableSpec("clamp" if table == "clamp" else "relu-clamp", self.q_bits)

    def lookups(self, rows: int, queries: Sequence[Query], name: str) -> None:
        """Stacked lookups of a row space; its spare places are counted in each witness."""
        self.builder.lookups(rows, queries, self.tables.id(RANGE_12), name)
        self.spare += (1 << rows + width(len(queries))) - (len(queries) << rows)

    def read(self, name: str, *point: Range) -> int:
        """The value of a tensor at a point of its own variables, last dim first.

        Raises:
            InvalidInputError: The tensor is a view that no point can express.
        """
        tensor = self.tensors[name]
        if tensor.variables is None:
            raise InvalidInputError(
                f"{name}: a view across sides that are no powers of two cannot be proved here",
                hint="only a gemm over all of its values can read it",
            )
        return self.read_at(tensor, singles(*point), {})

    def read_at(self, tensor: Tensor, point: Sequence[Range], rest: Mapping[int, Range]) -> int:
        """The value of a tensor at single variables.

        Args:
            point: For each of its variables; along `lead` it is the same anyway.
            rest: For variables of its block that the tensor holds constant.
        """
        variables = tensor.variables or []
        point = point[: len(variables)] if tensor.lead else point
        physical = [bits(tensor.base >> i & 1) for i in range(tensor.bits)]
        for variable, part in (*zip(variables, point, strict=True), *rest.items()):
            physical[variable] = part
        if tensor.place is None:
            return self.builder.value(Input(self.builder.recipe(*physical)))
        return self.builder.claim(tensor.place, *physical)

    def produce(self, name: str, place: Place) -> None:
        """Say where an op's output lies."""
        self.tensors[name] = dense(name, place, self.made_shape(name))


@dataclass
class Run:
    """One input on its way through the circuit.

    Attributes:
        tensors: Where tensors lie in their blocks.
        blocks: Blocks by the name of the tensor that they belong to, flat, int64.
        advice: Group A.
        rows: Per requantising op (ACC, M, Y), flat.
        uses: Lookups outside the row spaces.
    """

    tensors: Mapping[str, Tensor]
    blocks: dict[str, Integers]
    advice: Integers
    rows: dict[str, tuple[Integers, Integers, Integers]] = field(default_factory=dict)
    uses: list[tuple[TableSpec, Integers]] = field(default_factory=list)

    def padded(self, name: str) -> Integers:
        """A tensor with its padding, whatever that holds."""
        tensor = self.tensors[name]
        return self.blocks[tensor.root][tensor.cube()]

    def real(self, name: str) -> Integers:
        """A tensor without its padding."""
        tensor = self.tensors[name]
        return self.blocks[tensor.root][tensor.positions]

    def write(self, place: Place, values: Integers) -> None:
        """Fill a place of group A."""
        self.advice[place.offset : place.offset + values.size] = values.ravel()

    def requantise(self, name: str, acc: Integers, multiplier: Integers, table: str) -> None:
        """Make the op's output from its accumulators."""
        q = (multiplier * acc + (1 << SHIFT - 1)) >> SHIFT
        y = np.clip(q, *TABLES[table])
        self.blocks[name] = y.ravel()
        self.rows[name] = (acc.ravel(), multiplier.ravel(), y.ravel())


def singles(*point: Range) -> list[Range]:
    """Ranges of one variable each."""
    return [
        Range(part.source, part.start + (0 if part.source is Source.BITS else i), 1)
        for part in point
        for i in range(part.count)
    ]
