"""Constant weights over the last axis: ACC(s, o) - b(o) = sum_i W(o, i) a(s, i)."""

import numpy as np

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.proofs.circuit import Term, r, rho, width
from joynet_sdk.proofs.compiler.builder import Builder
from joynet_sdk.proofs.compiler.context import Compiler, Run
from joynet_sdk.proofs.compiler.layout import Integers, Tensor, pad, whole
from joynet_sdk.proofs.compiler.weights import BIAS, INT8, MULTIPLIER
from joynet_sdk.qmodel.ops import Gemm


class Linear:
    """A gemm of the model. A vector may lie anyhow in its block: then the weights lie alike."""

    def __init__(self, compiler: Compiler, op: Gemm) -> None:
        self._op = op
        self._tensor = compiler.tensors[op.input]
        self._scattered = self._tensor.variables is None
        values = _scatter(compiler, op, self._tensor) if self._scattered else op.weight
        self._weight = compiler.constant(f"{op.name}.weight", INT8, values)
        flat = (1 << width(len(op.weight)), -1)
        self._weights: Integers = pad(values).reshape(flat)
        self._bias = compiler.constant(f"{op.name}.bias", BIAS, op.bias)
        self._multiplier = compiler.constant(f"{op.name}.multiplier", MULTIPLIER, op.multiplier)
        self._rows = compiler.rows(op.name, op.table, self._multiplier_terms)

    def _multiplier_terms(self, builder: Builder) -> list[Term]:
        bits = self._multiplier.bits
        return [Term(1, builder.claim(whole(self._multiplier), r(0, bits)))]

    def relate(self, compiler: Compiler) -> None:
        """One sum over the input's features."""
        builder, out = compiler.builder, self._bias.bits
        inner, outer = self._weight.bits - out, self._rows.bits - out
        acc = builder.claim(self._rows.place("ACC"), rho(0, out + outer))
        bias = builder.claim(whole(self._bias), rho(0, out))
        weight = builder.claim(whole(self._weight), r(0, inner), rho(0, out))
        if self._scattered:
            given = compiler.read_block(self._tensor, r(0, inner), rho(out, outer))
        else:
            given = compiler.read(self._op.input, r(0, inner), rho(out, outer))
        builder.sum(inner, [Term(1, acc), Term(-1, bias)], [Term(1, weight, given)])

    def fill(self, run: Run) -> None:
        """Padded rows multiply what their padding holds."""
        op = self._op
        if self._scattered:
            block = run.blocks[self._tensor.root]
            given = block.reshape(-1, self._weights.shape[1])
            given = given if len(self._tensor.shape) > 1 else given[0]
        else:
            given = run.padded(op.input)
        acc = multiply(given, self._weights.T) + pad(op.bias)
        multiplier = np.broadcast_to(pad(op.multiplier), acc.shape)
        run.requantise(op.name, acc, multiplier, op.table)


def _scatter(compiler: Compiler, op: Gemm, tensor: Tensor) -> Integers:
    """Weights that lie like a vector of features lies in its block: (out, sides of the block).

    Raises:
        InvalidInputError: The features are not all of the block, or differ within a batch.
    """
    root = compiler.tensors[tensor.root]
    sides, lead = root.shape, compiler.lead
    mixed = tensor.shape[:-1] != lead or sides[: len(lead)] != lead
    features = tensor.positions.reshape(-1, op.weight.shape[1])[0]
    inside = np.arange(1 << root.bits).reshape([1 << width(side) for side in sides])
    inside = inside[(0,) * len(lead)][tuple(slice(0, side) for side in sides[len(lead) :])]
    if mixed or not np.array_equal(np.sort(features), np.sort(inside, axis=None)):
        raise InvalidInputError(
            f"{op.name} (gemm) reads {op.input}, a view across sides that are no powers of two: "
            "this cannot be proved",
            hint="a gemm over all values of one input can be",
        )
    weights = np.zeros((len(op.weight), 1 << root.bits), np.int64)
    weights[:, features] = op.weight
    return weights[:, inside.ravel()].reshape(len(op.weight), *sides[len(lead) :])


def multiply(left: Integers, right: Integers) -> Integers:
    """left @ right; float64 is exact, every sum being below 2^53."""
    product: Integers = (left.astype(np.float64) @ right.astype(np.float64)).astype(np.int64)
    return product
