"""Constant weights over the last axis: ACC(s, o) - b(o) = sum_i W(o, i) a(s, i)."""

from dataclasses import replace

import numpy as np

from joynet_sdk.proofs.circuit import Term, r, rho
from joynet_sdk.proofs.compiler.builder import Builder
from joynet_sdk.proofs.compiler.context import Compiler, Run
from joynet_sdk.proofs.compiler.features import features_of
from joynet_sdk.proofs.compiler.layout import Integers, pad, whole
from joynet_sdk.proofs.compiler.weights import BIAS, INT8, MULTIPLIER
from joynet_sdk.qmodel.model import QModel
from joynet_sdk.qmodel.ops import Gemm, View, inputs_of


class Linear:
    """A gemm of the model. Its features may lie anyhow in their block: the weights lie alike."""

    def __init__(self, compiler: Compiler, op: Gemm) -> None:
        self._op = op
        self._features = features_of(compiler, op)
        self._out = split_by_readers(compiler.model, op)
        weights = self._features.scatter(op)
        spread = weights.reshape(*self._out, *weights.shape[1:])
        self._weight = compiler.constant(f"{op.name}.weight", INT8, spread)
        bias, multiplier = op.bias.reshape(self._out), op.multiplier.reshape(self._out)
        self._bias = compiler.constant(f"{op.name}.bias", BIAS, bias)
        self._multiplier = compiler.constant(f"{op.name}.multiplier", MULTIPLIER, multiplier)
        made = compiler.made_shape(op.name)
        shape = (*made[:-1], *self._out)
        self._rows = compiler.rows(op.name, op.table, self._multiplier_terms, shape)
        lies = compiler.tensors[op.name]
        compiler.tensors[op.name] = replace(lies, positions=lies.positions.reshape(made))

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
        given = self._features.read(compiler, r(0, inner), rho(out, outer))
        builder.sum(inner, [Term(1, acc), Term(-1, bias)], [Term(1, weight, given)])

    def fill(self, run: Run) -> None:
        """Padded rows multiply what their padding holds."""
        op = self._op
        weights = self._features.scatter(op)
        weights = pad(weights.reshape(*self._out, *weights.shape[1:]))
        weights = weights.reshape(1 << self._bias.bits, -1)
        acc = multiply(self._features.padded(run), weights.T)
        acc += pad(op.bias.reshape(self._out)).ravel()
        multiplier = pad(op.multiplier.reshape(self._out)).ravel()
        run.requantise(op.name, acc, np.broadcast_to(multiplier, acc.shape), op.table)


def split_by_readers(model: QModel, op: Gemm) -> tuple[int, ...]:
    """Dims of the op's channels: those of the views that read it, if all split them alike."""
    channels = len(op.weight)
    readers = [other for other in model.ops if op.name in inputs_of(other)]
    outer = model.shapes[op.name][:-1]
    splits = {
        other.split[len(outer) :]
        if isinstance(other, View) and other.split[: len(outer)] == outer
        else (channels,)
        for other in readers
    }
    return splits.pop() if len(splits) == 1 else (channels,)


def multiply(left: Integers, right: Integers) -> Integers:
    """left @ right; float64 is exact, every sum being below 2^53."""
    product: Integers = (left.astype(np.float64) @ right.astype(np.float64)).astype(np.int64)
    return product
