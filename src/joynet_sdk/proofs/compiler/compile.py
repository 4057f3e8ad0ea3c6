"""QModel -> circuit, and an input -> the integers that satisfy it.

Every op of the model is a `Relation`: when made, it asks for columns and rows; when all rows are
packed, it writes its relations; for each input, it fills its columns, padding included.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.proofs.circuit import (
    MAX_PACKED,
    Circuit,
    Group,
    Input,
    Io,
    IoShape,
    Output,
    Range,
    Term,
    rho,
    width,
)
from joynet_sdk.proofs.codec import encode
from joynet_sdk.proofs.compiler.builder import Builder
from joynet_sdk.proofs.compiler.layout import Column, Integers, Layout, Tensor, pad
from joynet_sdk.proofs.compiler.requantise import (
    MultiplierTerms,
    Rows,
    RowSpace,
    pack,
)
from joynet_sdk.proofs.compiler.requantise import fill as fill_rows
from joynet_sdk.proofs.compiler.tables import TableSet, TableSpec
from joynet_sdk.proofs.rules import check
from joynet_sdk.qmodel.model import QModel
from joynet_sdk.qmodel.ops import TABLES


class Relation(Protocol):
    """One op of the model in the circuit."""

    def relate(self, compiler: "Compiler") -> None:
        """Write the op's relations."""

    def fill(self, run: "Run") -> None:
        """Compute the op's integers on padded tensors and write them into group A."""


@dataclass
class Compiler:
    """The state of one compilation."""

    model: QModel
    layout: Layout = field(default_factory=Layout)
    tables: TableSet = field(default_factory=TableSet)
    blocks: list[Rows] = field(default_factory=list)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    weights: list[tuple[Column, Integers]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.builder = Builder(self.layout)
        self.q_bits = max(bounds.q_bits for bounds in self.model.bounds.values())

    def constant(self, name: str, values: Integers) -> Column:
        """A padded tensor of group W."""
        column = self.layout.column(Group.W, width(values.size), name)
        self.weights.append((column, values.ravel()))
        return column

    def rows(self, name: str, table: str, multiplier: MultiplierTerms) -> Rows:
        """Rows for a requantised output."""
        bits = sum(width(side) for side in self.model.shapes[name])
        spec = TableSpec("clamp" if table == "clamp" else "relu-clamp", self.q_bits)
        self.blocks.append(Rows(name, bits, spec, multiplier))
        return self.blocks[-1]

    def read(self, name: str, *point: Range) -> int:
        """The value of a tensor at a point: a claim, or the public input."""
        if name == self.model.input.name:
            return self.builder.value(Input(self.builder.recipe(*point)))
        return self.builder.claim(self.tensors[name].place, *point)


@dataclass
class Run:
    """One input on its way through the circuit.

    Attributes:
        tensors: Padded tensors by name, int64.
        advice: Group A.
        rows: Per requantising op (ACC, M, Y), flat.
        uses: Lookups outside the row spaces.
    """

    tensors: dict[str, Integers]
    advice: Integers
    rows: dict[str, tuple[Integers, Integers, Integers]] = field(default_factory=dict)
    uses: list[tuple[TableSpec, Integers]] = field(default_factory=list)

    def requantise(self, name: str, acc: Integers, multiplier: Integers, table: str) -> None:
        """Make the op's output from its accumulators."""
        q = (multiplier * acc + (1 << 23)) >> 24
        y = np.clip(q, *TABLES[table])
        self.tensors[name] = y
        self.rows[name] = (acc.ravel(), multiplier.ravel(), y.ravel())


@dataclass(frozen=True)
class CompiledModel:
    """A model's circuit.

    Attributes:
        weights: Group W up to its span.
    """

    model: QModel
    circuit: Circuit
    descriptor: bytes
    weights: Integers
    layout: Layout
    relations: tuple[Relation, ...]
    spaces: tuple[RowSpace, ...]
    tables: TableSet


@dataclass(frozen=True)
class Witness:
    """What the prover needs besides the circuit.

    Attributes:
        advice: Group A up to its span.
        input: Packed bytes of the statement.
        output: Packed bytes of the statement.
    """

    advice: Integers
    input: bytes
    output: bytes


def compile_model(model: QModel) -> CompiledModel:
    """The circuit of a model.

    Raises:
        InvalidInputError: An op cannot be proved; names it.
    """
    from joynet_sdk.proofs.compiler.relations import relation_of

    compiler = Compiler(model)
    relations = [relation_of(compiler, op) for op in model.ops]
    spaces = pack(compiler.layout, compiler.blocks)
    for block in compiler.blocks:
        compiler.tensors[block.name] = Tensor(block.place("Y"), model.shapes[block.name])
    for relation in relations:
        relation.relate(compiler)
    given, output = _io(model.input.shape), _io(model.output_shape)
    _bind_output(compiler)
    for space in spaces:
        space.relate(compiler.builder, compiler.tables)
    compiler.tables.build(compiler.builder)
    circuit = compiler.builder.build(given, output)
    check(circuit)
    weights = np.zeros(compiler.layout.span(Group.W), np.int64)
    for column, values in compiler.weights:
        weights[column.offset : column.offset + len(values)] = values
    return CompiledModel(
        model,
        circuit,
        encode(circuit),
        weights,
        compiler.layout,
        tuple(relations),
        tuple(spaces),
        compiler.tables,
    )


def build_witness(compiled: CompiledModel, x: NDArray[Any]) -> Witness:
    """Run the circuit on one input, (input_size,)."""
    model = compiled.model
    model.check_inputs(x[None])
    advice = np.zeros(compiled.layout.span(Group.A), np.int64)
    run = Run({model.input.name: pad(x.reshape(model.input.shape))}, advice)
    for relation in compiled.relations:
        relation.fill(run)
    uses = list(run.uses)
    for space in compiled.spaces:
        uses += fill_rows(advice, space, run.rows)
    compiled.tables.count(advice, uses)
    inside = tuple(slice(0, side) for side in model.output_shape)
    output = run.tensors[model.output][inside].astype(np.int8)
    return Witness(advice, x.astype(np.int8).tobytes(), output.tobytes())


def _io(shape: Sequence[int]) -> IoShape:
    dims = tuple(shape)
    size = int(np.prod(dims))
    if len(dims) > 3 or size > MAX_PACKED:
        raise InvalidInputError(f"a public tensor {dims}, expected at most {MAX_PACKED} values")
    return IoShape(Io.PACKED, dims)


def _bind_output(compiler: Compiler) -> None:
    """Y(rho) = the public output at rho."""
    tensor = compiler.tensors[compiler.model.output]
    point = rho(0, tensor.place.bits)
    builder = compiler.builder
    claimed = builder.claim(tensor.place, point)
    public = builder.value(Output(builder.recipe(point)), before=True)
    builder.sum(0, [Term(1, claimed), Term(-1, public)], [])


Make = Callable[[Compiler, Any], Relation]
