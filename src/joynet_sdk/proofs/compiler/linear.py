"""Constant weights over the last axis: ACC(s, o) - b(o) = sum_i W(o, i) a(s, i)."""

import numpy as np

from joynet_sdk.proofs.circuit import Term, r, rho
from joynet_sdk.proofs.compiler.builder import Builder
from joynet_sdk.proofs.compiler.compile import Compiler, Run
from joynet_sdk.proofs.compiler.layout import Integers, pad, whole
from joynet_sdk.qmodel.ops import Gemm


class Linear:
    """A gemm of the model. A vector may lie anyhow in its block: the weights lie alike."""

    def __init__(self, compiler: Compiler, op: Gemm) -> None:
        self._op = op
        self._bias = compiler.constant(f"{op.name}.bias", pad(op.bias))
        self._multiplier = compiler.constant(f"{op.name}.multiplier", pad(op.multiplier))
        self._rows = compiler.rows(op.name, op.table, self._multiplier_terms)
        self._scattered = False
        self._weights: Integers = np.zeros(0, np.int64)

    def _multiplier_terms(self, builder: Builder) -> list[Term]:
        bits = self._multiplier.bits
        return [Term(1, builder.claim(whole(self._multiplier), r(0, bits)))]

    def relate(self, compiler: Compiler) -> None:
        builder, op = compiler.builder, self._op
        tensor = compiler.tensors[op.input]
        weights = pad(op.weight)
        self._scattered = tensor.variables is None and len(tensor.shape) == 1
        if self._scattered:
            weights = np.zeros((len(weights), 1 << tensor.bits), np.int64)
            weights[: len(op.weight), tensor.positions] = op.weight
        self._weights = weights
        weight_column = compiler.constant(f"{op.name}.weight", weights)
        out = self._bias.bits
        inner, outer = weight_column.bits - out, self._rows.bits - out
        acc = builder.claim(self._rows.place("ACC"), rho(0, out + outer))
        bias = builder.claim(whole(self._bias), rho(0, out))
        weight = builder.claim(whole(weight_column), r(0, inner), rho(0, out))
        if self._scattered:
            given = compiler.read_block(tensor, r(0, inner))
        else:
            given = compiler.read(op.input, r(0, inner), rho(out, outer))
        builder.sum(inner, [Term(1, acc), Term(-1, bias)], [Term(1, weight, given)])

    def fill(self, run: Run) -> None:
        op = self._op
        root = run.tensors[op.input].root
        given = run.blocks[root] if self._scattered else run.padded(op.input)
        acc = multiply(given, self._weights.T) + pad(op.bias)
        multiplier = np.broadcast_to(pad(op.multiplier), acc.shape)
        run.requantise(op.name, acc, multiplier, op.table)


def multiply(left: Integers, right: Integers) -> Integers:
    """left @ right; float64 is exact, every sum being below 2^53."""
    product: Integers = (left.astype(np.float64) @ right.astype(np.float64)).astype(np.int64)
    return product
