"""Rows picked by index: y(i, ..) = sum_v [v = index_i] x(v, ..), the indices constant or tokens.

Rows beyond the indices are zero. A pick that a point can express is only another name.
"""

from dataclasses import replace

import numpy as np

from joynet_sdk.proofs.circuit import Index, Term, Tokens, r, rho, width
from joynet_sdk.proofs.compiler.context import Compiler, Run
from joynet_sdk.proofs.compiler.layout import Column, padded_shape, whole
from joynet_sdk.qmodel.ops import Embed, Gather


class Gathered:
    """A gather of the model."""

    def __init__(self, compiler: Compiler, op: Gather) -> None:
        self._op = op
        given = compiler.tensors[op.input]
        axis = op.axis + len(compiler.lead)
        positions = given.positions.take(op.indices.astype(np.int64), axis - len(given.lead))
        picked = replace(given, positions=positions)
        self._after = len(given.shape) - axis - 1  # dims inside of the axis
        self._column: Column | None = None
        if picked.variables is not None:
            compiler.tensors[op.name] = picked
        else:
            shape = compiler.made_shape(op.name)
            self._column = compiler.advice(sum(width(side) for side in shape), op.name)
            compiler.produce(op.name, whole(self._column))

    def relate(self, compiler: Compiler) -> None:
        """One sum over the axis."""
        if self._column is None:
            return
        builder, op = compiler.builder, self._op
        made, given = compiler.shape(op.name), compiler.shape(op.input)
        dims = len(made)
        inner = sum(width(side) for side in made[dims - self._after :])
        axis = dims - self._after - 1
        low, position = rho(0, inner), rho(inner, width(made[axis]))
        above = position.start + position.count
        high = rho(above, self._column.bits - above)
        target = r(0, width(given[axis]))
        y = builder.claim(whole(self._column), rho(0, self._column.bits))
        x = compiler.read(op.input, low, target, high)
        picked = builder.value(Index(position, target, tuple(int(i) for i in op.indices)))
        builder.sum(target.count, [Term(1, y)], [Term(1, x, picked)])

    def fill(self, run: Run) -> None:
        """Padding of the other dims is picked like the rest."""
        if self._column is None:
            return
        full = run.padded(self._op.input)
        axis = full.ndim - self._after - 1
        picked = full.take(self._op.indices.astype(np.int64), axis)
        sides = [(0, 0)] * full.ndim
        sides[axis] = (0, padded_shape((picked.shape[axis],))[0] - picked.shape[axis])
        y = np.pad(picked, sides)
        run.write(whole(self._column), y)
        run.blocks[self._op.name] = y.ravel()


class Embedding:
    """An embed of the model: rows of a constant by the ids of the input."""

    def __init__(self, compiler: Compiler, op: Embed) -> None:
        self._op = op
        self._shape = compiler.made_shape(op.name)
        self._column = compiler.advice(sum(width(side) for side in self._shape), op.name)
        compiler.produce(op.name, whole(self._column))

    def relate(self, compiler: Compiler) -> None:
        """One sum over the vocabulary."""
        builder, op = compiler.builder, self._op
        rows, across = compiler.shape(op.constant)
        low = rho(0, width(across))
        position, target = rho(low.count, width(self._shape[0])), r(0, width(rows))
        y = builder.claim(whole(self._column), rho(0, self._column.bits))
        row = compiler.read(op.constant, low, target)
        picked = builder.value(Tokens(position, target))
        builder.sum(target.count, [Term(1, y)], [Term(1, row, picked)])

    def fill(self, run: Run) -> None:
        """Positions beyond the ids are zero."""
        op = self._op
        ids = run.blocks[op.input][: self._shape[0]]
        rows = run.padded(op.constant)
        y = np.zeros(padded_shape(self._shape), np.int64)
        y[: len(ids)] = rows[ids]
        run.write(whole(self._column), y)
        run.blocks[op.name] = y.ravel()
