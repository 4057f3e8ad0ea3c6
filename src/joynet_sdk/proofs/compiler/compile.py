"""QModel -> circuit, and an input -> the integers that satisfy it.

Every op of the model is a `Relation`: when made, it asks for columns and rows; when all rows are
packed, it writes its relations; for each input, it fills its columns, padding included.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.proofs.circuit import (
    FIRST_VALUE,
    MAX_PROOF_BYTES,
    MAX_RECIPES,
    MAX_VALUES,
    MAX_VARIABLES,
    Circuit,
    Group,
    Io,
)
from joynet_sdk.proofs.codec import encode
from joynet_sdk.proofs.compiler.context import Compiler, Relation, Run
from joynet_sdk.proofs.compiler.layout import Integers, Layout, Tensor, pad
from joynet_sdk.proofs.compiler.public import bind_output, check_input, enter_input, enter_output
from joynet_sdk.proofs.compiler.relations import relation_of
from joynet_sdk.proofs.compiler.requantise import RowSpace, pack
from joynet_sdk.proofs.compiler.requantise import fill as fill_rows
from joynet_sdk.proofs.compiler.tables import RANGE_12, TableSet, TableSpec
from joynet_sdk.proofs.compiler.weights import Weight
from joynet_sdk.proofs.opening import PROOF_BYTES as OPENING_BYTES
from joynet_sdk.proofs.rules import check
from joynet_sdk.qmodel.model import QModel
from joynet_sdk.qmodel.ops import Op


@dataclass(frozen=True)
class CompiledModel:
    """A model's circuit.

    Attributes:
        batch: Inputs of one proof.
        weights: Group W up to its span.
        tensors_of_weights: What that is made of.
        spare: Lookups that fill up stacks.
    """

    model: QModel
    batch: int
    circuit: Circuit
    descriptor: bytes
    weights: Integers
    tensors_of_weights: tuple[Weight, ...]
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


def compile_model(model: QModel, batch: int = 1) -> CompiledModel:
    """The circuit of a model.

    Args:
        batch: Inputs that one proof is about. Only `batch` 1 is what a chain registers.

    Raises:
        InvalidInputError: An op cannot be proved; names it.
    """
    if batch < 1:
        raise InvalidInputError(f"a batch of {batch} inputs, expected at least 1")
    compiler = Compiler(model, (batch,) if batch > 1 else ())
    given = enter_input(compiler)
    compiler.read_constants()
    relations = [relation_of(compiler, op) for op in model.ops]
    spaces = pack(compiler.layout, compiler.blocks)
    for relation, op in zip(relations, model.ops, strict=True):
        _relate(compiler, relation, op)
    if not compiler.weights:
        raise InvalidInputError("the model has no weights: there is nothing to commit to")
    output = enter_output(compiler)
    bind_output(compiler)
    for space in spaces:
        compiler.lookups(space.bits, space.relate(compiler.builder, compiler.tables), "rows")
    check_input(compiler)
    compiler.tables.build(compiler.builder)
    circuit = compiler.builder.build(given, output)
    _check_size(circuit)
    check(circuit)
    weights = np.zeros(compiler.layout.span(Group.W), np.int64)
    for each in compiler.weights:
        start = each.column.offset
        weights[start : start + len(each.values)] = each.values
    return CompiledModel(
        model,
        batch,
        circuit,
        encode(circuit),
        weights,
        tuple(compiler.weights),
        compiler.layout,
        tuple(relations),
        tuple(spaces),
        compiler.tables,
        compiler.spare,
        compiler.q_bits,
        compiler.tensors,
    )


def _relate(compiler: Compiler, relation: Relation, op: Op) -> None:
    """Write an op's relations; errors name the op."""
    try:
        relation.relate(compiler)
    except InvalidInputError as error:
        raise InvalidInputError(f"{op.name} ({op.kind}): {error}", hint=error.hint) from None


def _check_size(circuit: Circuit) -> None:
    """Refuse a model that is too large for one circuit, in words about models."""
    values = FIRST_VALUE + len(circuit.before) + len(circuit.after)
    for found, most, what in (
        (values, MAX_VALUES, "values"),
        (len(circuit.recipes), MAX_RECIPES, "points"),
        (max(circuit.variables, circuit.rounds), MAX_VARIABLES, "variables"),
        (32 * circuit.proof_words + OPENING_BYTES, MAX_PROOF_BYTES, "bytes of proof"),
    ):
        if found > most:
            raise InvalidInputError(
                f"the model's circuit needs {found} {what}, expected at most {most}",
                hint="prove a model with fewer or smaller layers",
            )


def build_witness(compiled: CompiledModel, x: NDArray[Any]) -> Witness:
    """Run the circuit on one input, (input_size,), or on a batch, (batch, input_size).

    Raises:
        InvalidInputError: Another size or dtype, or a token id that is too large.
    """
    model, circuit = compiled.model, compiled.circuit
    rows = x if x.ndim == 2 else x[None]
    if len(rows) != compiled.batch:
        raise InvalidInputError(f"{len(rows)} inputs, expected {compiled.batch}")
    model.check_inputs(rows)
    lead = (compiled.batch,) if compiled.batch > 1 else ()
    given = pad(rows.reshape(*lead, *model.input.shape))
    blocks = {name: pad(array).ravel() for name, array in model.constants.items()}
    blocks[model.input.name] = given.ravel()
    advice = np.zeros(compiled.layout.span(Group.A), np.int64)
    run = Run(compiled.tensors, blocks, advice)
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
    dtype = "<u2" if circuit.input.kind is Io.TOKENS else np.int8
    return Witness(
        advice,
        b"" if Group.X in public else rows.astype(dtype).tobytes(),
        b"" if Group.Y in public else output.tobytes(),
        public,
    )
