"""Input and output of the statement."""

from collections.abc import Sequence
from math import prod

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.proofs.circuit import (
    MAX_PACKED,
    Eq,
    Group,
    Io,
    IoShape,
    Output,
    Range,
    Term,
    r,
    rho,
    width,
)
from joynet_sdk.proofs.compiler.builder import Query
from joynet_sdk.proofs.compiler.context import Compiler
from joynet_sdk.proofs.compiler.layout import dense, whole
from joynet_sdk.proofs.compiler.masks import inside, product
from joynet_sdk.proofs.compiler.tables import TableSpec
from joynet_sdk.qmodel.ops import Gemm


def enter_input(compiler: Compiler) -> IoShape:
    """How the input enters the statement; int8 values become a tensor.

    Raises:
        InvalidInputError: It has too many token ids.
    """
    given = compiler.model.input
    shape = compiler.lead + given.shape
    if given.kind == "tokens":
        if 2 * prod(shape) > MAX_PACKED or compiler.lead:
            raise InvalidInputError(
                f"an input of {prod(shape)} token ids cannot be proved, expected at most "
                f"{MAX_PACKED // 2} in one input",
                hint="inputs of token ids are proved one by one",
            )
        return IoShape(Io.TOKENS, shape)
    made = _shape(compiler, shape, Group.X)
    column = compiler.public.get(Group.X)
    compiler.tensors[given.name] = dense(given.name, whole(column) if column else None, shape)
    return made


def enter_output(compiler: Compiler) -> IoShape:
    """How the output enters the statement."""
    return _shape(compiler, compiler.shape(compiler.model.output), Group.Y)


def _shape(compiler: Compiler, shape: tuple[int, ...], group: Group) -> IoShape:
    dims, is_dense = _three(shape)
    if prod(dims) <= MAX_PACKED and is_dense:
        return IoShape(Io.PACKED, dims)
    count = sum(width(side) for side in dims)
    compiler.public[group] = compiler.layout.column(group, count, group.name)
    return IoShape(Io.COMMITTED, dims)


def _three(shape: Sequence[int]) -> tuple[tuple[int, ...], bool]:
    """At most three dims that lie alike, and whether they hold nothing else.

    Sides of 1 drop out. More than three are joined from the outside on; a side that is no power
    of two brings its padding with it.
    """
    dims = [side for side in shape if side > 1]
    is_dense = True
    while len(dims) > 3:
        inner = 1 << width(dims[1])
        is_dense = is_dense and inner == dims[1]
        dims[:2] = [dims[0] * inner]
    return tuple(dims) or (1,), is_dense


def check_input(compiler: Compiler) -> None:
    """Every entry of a committed X is an int8: (x, x) in the table of clamp."""
    column = compiler.public.get(Group.X)
    if column is None:
        return
    claimed = (Term(1, compiler.builder.claim(whole(column), r(0, column.bits))),)
    number = compiler.tables.id(TableSpec("clamp", compiler.q_bits))
    compiler.lookups(column.bits, [Query(claimed, claimed, (Term(number),))], "input")


def bind_output(compiler: Compiler) -> None:
    """The public output is the last tensor, zero where that is padding."""
    name = compiler.model.output
    builder, shape = compiler.builder, compiler.shape(name)
    count = sum(width(side) for side in shape)
    point = rho(0, count)
    public = _public(compiler, point)
    if not _has_garbage(compiler):
        claimed = compiler.read(name, point)
        builder.sum(0, [Term(1, public), Term(-1, claimed)], [])
        return
    masks, start = [], 0
    for side in reversed(shape):
        masks += inside(builder, r(start, width(side)), side)
        start += width(side)
    mask = builder.define([product(builder, masks)])
    equal = builder.value(Eq(point, r(0, count)))
    claimed = compiler.read(name, r(0, count))
    builder.sum(count, [Term(1, public)], [Term(1, claimed, equal, mask)])


def _public(compiler: Compiler, point: Range) -> int:
    """The output of the statement at a point."""
    column = compiler.public.get(Group.Y)
    if column is None:
        return compiler.builder.value(Output(compiler.builder.recipe(point)))
    return compiler.builder.claim(whole(column), point)


def _has_garbage(compiler: Compiler) -> bool:
    """Whether the output's padding can be anything; channels of a gemm are zero there."""
    *outer, last = compiler.shape(compiler.model.output)
    sides = outer if isinstance(compiler.model.ops[-1], Gemm) else [*outer, last]
    return any(side & side - 1 for side in sides)
