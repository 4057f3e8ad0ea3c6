"""QModel -> circuit, and an input -> the integers that satisfy it.

Every op of the model is a `Relation`: when made, it asks for columns and rows; when all rows are
packed, it writes its relations; for each input, it fills its columns, padding included.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.proofs.circuit import (
    MAX_PACKED,
    Circuit,
    Eq,
    Group,
    Input,
    Io,
    IoShape,
    Output,
    Range,
    Source,
    Term,
    bits,
    r,
    rho,
    width,
)
from joynet_sdk.proofs.codec import encode
from joynet_sdk.proofs.compiler.builder import Builder, Query
from joynet_sdk.proofs.compiler.layout import (
    Column,
    Integers,
    Layout,
    Place,
    Tensor,
    dense,
    pad,
    whole,
)
from joynet_sdk.proofs.compiler.masks import inside
from joynet_sdk.proofs.compiler.requantise import (
    MultiplierTerms,
    Rows,
    RowSpace,
    pack,
)
from joynet_sdk.proofs.compiler.requantise import fill as fill_rows
from joynet_sdk.proofs.compiler.tables import RANGE_12, TableSet, TableSpec
from joynet_sdk.proofs.rules import check
from joynet_sdk.qmodel.model import QModel
from joynet_sdk.qmodel.ops import TABLES, Gemm


@runtime_checkable
class Viewing(Protocol):
    """A relation whose output lies where another op's does."""

    def place(self, compiler: "Compiler", op: Any) -> None:
        """Say where the output lies, once its input's place is known."""


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
    columns: dict[Group, Column] = field(default_factory=dict)
    spare: int = 0

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
                f"{name}: a reshape across sides that are no powers of two cannot be proved here",
                hint="only a gemm can read it",
            )
        single = [
            Range(part.source, part.start + (0 if part.source is Source.BITS else i), 1)
            for part in point
            for i in range(part.count)
        ]
        physical = [bits(tensor.base >> i & 1) for i in range(tensor.bits)]
        for variable, part in zip(tensor.variables, single, strict=True):
            physical[variable] = part
        return self.read_block(tensor, *physical)

    def read_block(self, tensor: Tensor, *point: Range) -> int:
        """The value of a tensor's block at a point of the block's variables."""
        if tensor.place is None:
            return self.builder.value(Input(self.builder.recipe(*point)))
        return self.builder.claim(tensor.place, *point)

    def claim_public(self, group: Group, point: Range) -> int:
        """The value of X or Y at a point."""
        return self.builder.claim(whole(self.columns[group]), point)

    def produce(self, name: str, place: Place) -> None:
        """Say where an op's output lies."""
        self.tensors[name] = dense(name, place, self.model.shapes[name])


@dataclass
class Run:
    """One input on its way through the circuit.

    Attributes:
        tensors: Where tensors lie in their blocks.
        blocks: Blocks by the name of the op that wrote them, flat, int64.
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
        q = (multiplier * acc + (1 << 23)) >> 24
        y = np.clip(q, *TABLES[table])
        self.blocks[name] = y.ravel()
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
    spare: int
    q_bits: int
    tensors: Mapping[str, Tensor]


@dataclass(frozen=True)
class Witness:
    """What the prover needs besides the circuit.

    Attributes:
        advice: Group A up to its span.
        input: Packed bytes of the statement; empty when the input is committed.
        output: Likewise.
        public: Groups X and Y where they are committed.
    """

    advice: Integers
    input: bytes
    output: bytes
    public: Mapping[Group, Integers]


def compile_model(model: QModel) -> CompiledModel:
    """The circuit of a model.

    Raises:
        InvalidInputError: An op cannot be proved; names it.
    """
    from joynet_sdk.proofs.compiler.relations import relation_of

    compiler = Compiler(model)
    given = _public(compiler, model.input.shape, Group.X, model.input.name)
    relations = [relation_of(compiler, op) for op in model.ops]
    spaces = pack(compiler.layout, compiler.blocks)
    for block in compiler.blocks:
        compiler.produce(block.name, block.place("Y"))
    for relation, op in zip(relations, model.ops, strict=True):
        if isinstance(relation, Viewing):
            relation.place(compiler, op)
    for relation in relations:
        relation.relate(compiler)
    output = _public(compiler, model.output_shape, Group.Y, "")
    _bind_output(compiler, output)
    for space in spaces:
        compiler.lookups(space.bits, space.relate(compiler.builder, compiler.tables), "rows")
    if given.kind is Io.COMMITTED:
        _check_input(compiler)
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
        compiler.spare,
        compiler.q_bits,
        compiler.tensors,
    )


def build_witness(compiled: CompiledModel, x: NDArray[Any]) -> Witness:
    """Run the circuit on one input, (input_size,)."""
    model, circuit = compiled.model, compiled.circuit
    model.check_inputs(x[None])
    advice = np.zeros(compiled.layout.span(Group.A), np.int64)
    given = pad(x.reshape(model.input.shape))
    run = Run(compiled.tensors, {model.input.name: given.ravel()}, advice)
    for relation in compiled.relations:
        relation.fill(run)
    uses = [*run.uses, (RANGE_12, np.zeros(compiled.spare, np.int64))]
    for space in compiled.spaces:
        uses += fill_rows(advice, space, run.rows)
    public: dict[Group, Integers] = {}
    output = run.real(model.output).astype(np.int8)
    if circuit.input.kind is Io.COMMITTED:
        public[Group.X] = given.ravel()
        uses.append((TableSpec("clamp", compiled.q_bits), given))
    if circuit.output.kind is Io.COMMITTED:
        public[Group.Y] = pad(output).ravel()
    compiled.tables.count(advice, uses)
    return Witness(
        advice,
        b"" if Group.X in public else x.astype(np.int8).tobytes(),
        b"" if Group.Y in public else output.tobytes(),
        public,
    )


def _public(compiler: Compiler, shape: Sequence[int], group: Group, tensor: str) -> IoShape:
    """How input or output enter the statement; a committed input becomes a tensor."""
    dims = tuple(shape)
    if len(dims) > 3:
        raise InvalidInputError(f"a public tensor of shape {dims}, expected at most 3 dims")
    if int(np.prod(dims)) <= MAX_PACKED:
        if tensor:
            compiler.tensors[tensor] = dense(tensor, None, dims)
        return IoShape(Io.PACKED, dims)
    column = compiler.layout.column(group, sum(width(side) for side in dims), group.name)
    compiler.columns[group] = column
    if tensor:
        compiler.tensors[tensor] = dense(tensor, whole(column), dims)
    return IoShape(Io.COMMITTED, dims)


def _bind_output(compiler: Compiler, shape: IoShape) -> None:
    """The public output is the last tensor, zero where that is padding."""
    name = compiler.model.output
    builder, shape_out = compiler.builder, compiler.model.output_shape
    count = sum(width(side) for side in shape_out)
    point = rho(0, count)
    public = (
        compiler.claim_public(Group.Y, point)
        if shape.kind is Io.COMMITTED
        else builder.value(Output(builder.recipe(point)))
    )
    if not _has_garbage(compiler):
        claimed = compiler.read(name, point)
        builder.sum(0, [Term(1, public), Term(-1, claimed)], [])
        return
    mask, start = [builder.value(Eq(point, r(0, count)))], 0
    for side in reversed(shape_out):
        mask += inside(builder, r(start, width(side)), side)
        start += width(side)
    while len(mask) > 2:
        mask = [builder.define([Term(1, *mask[:3])]), *mask[3:]]
    claimed = compiler.read(name, r(0, count))
    builder.sum(count, [Term(1, public)], [Term(1, claimed, *mask)])


def _has_garbage(compiler: Compiler) -> bool:
    """Whether the output's padding can be anything; channels of a gemm are zero there."""
    *outer, last = compiler.model.output_shape
    sides = outer if isinstance(compiler.model.ops[-1], Gemm) else [*outer, last]
    return any(side & side - 1 for side in sides)


def _check_input(compiler: Compiler) -> None:
    """Every entry of X is an int8: (x, x) in the table of clamp."""
    count = compiler.columns[Group.X].bits
    claimed = compiler.claim_public(Group.X, r(0, count))
    number = compiler.tables.id(TableSpec("clamp", compiler.q_bits))
    value = (Term(1, claimed),)
    compiler.lookups(count, [Query(value, value, (Term(number),))], "input")


Make = Callable[[Compiler, Any], Relation]
