"""Product of activations: ACC(h, i, j) = sum_{k, h'} eq(rho_h, h') [k < K] L(h', i, k) R(h', k, j).

Variables r: k, then the leading sides h. Padding of k may hold anything and is masked.
"""

import numpy as np

from joynet_sdk.proofs.circuit import Eq, Term, r, rho, width
from joynet_sdk.proofs.compiler.context import Compiler, Run
from joynet_sdk.proofs.compiler.masks import inside
from joynet_sdk.qmodel.ops import MatMul


class Product:
    """A matmul of the model."""

    def __init__(self, compiler: Compiler, op: MatMul) -> None:
        self._op = op
        self._shape = compiler.made_shape(op.name)[:-1] + compiler.shape(op.left)[-1:]
        self._columns = compiler.made_shape(op.name)[-1]
        self._rows = compiler.rows(op.name, op.table, lambda _builder: [Term(op.multiplier)])

    def relate(self, compiler: Compiler) -> None:
        """One sum of three factors at most."""
        builder, op = compiler.builder, self._op
        *leading, rows, inner = self._shape
        columns = self._columns
        heads = sum(width(side) for side in leading)
        j, i = rho(0, width(columns)), rho(width(columns), width(rows))
        fixed_heads = rho(i.start + i.count, heads)
        k = r(0, width(inner))
        h = r(k.count, heads)
        acc = builder.claim(self._rows.place("ACC"), rho(0, self._rows.bits))
        left = compiler.read(op.left, k, i, h)
        right = (
            compiler.read(op.right, k, j, h) if op.transposed else compiler.read(op.right, j, k, h)
        )
        masks = inside(builder, k, inner)
        if heads:
            masks.append(builder.value(Eq(fixed_heads, h)))
        mask = [builder.define([Term(1, *masks)])] if masks else []
        builder.sum(k.count + heads, [Term(1, acc)], [Term(1, left, right, *mask)])

    def fill(self, run: Run) -> None:
        """Padded rows and heads multiply what their padding holds."""
        op, inner = self._op, self._shape[-1]
        left, right = run.padded(op.left), run.padded(op.right)
        right = right.swapaxes(-1, -2) if op.transposed else right
        product = left[..., :inner].astype(np.float64) @ right[..., :inner, :].astype(np.float64)
        acc = product.astype(np.int64)
        run.requantise(op.name, acc, np.full(acc.shape, op.multiplier, np.int64), op.table)
