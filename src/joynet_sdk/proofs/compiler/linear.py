"""Constant weights over the last axis: ACC(s, o) - b(o) = sum_i W(o, i) a(s, i)."""

import numpy as np

from joynet_sdk.proofs.circuit import Term, r, rho
from joynet_sdk.proofs.compiler.builder import Builder
from joynet_sdk.proofs.compiler.compile import Compiler, Run
from joynet_sdk.proofs.compiler.layout import pad, whole
from joynet_sdk.qmodel.ops import Gemm


class Linear:
    """A gemm of the model."""

    def __init__(self, compiler: Compiler, op: Gemm) -> None:
        self._op = op
        self._weight = compiler.constant(f"{op.name}.weight", pad(op.weight))
        self._bias = compiler.constant(f"{op.name}.bias", pad(op.bias))
        self._multiplier = compiler.constant(f"{op.name}.multiplier", pad(op.multiplier))
        self._rows = compiler.rows(op.name, op.table, self._multiplier_terms)

    def _multiplier_terms(self, builder: Builder) -> list[Term]:
        bits = self._multiplier.bits
        return [Term(1, builder.claim(whole(self._multiplier), r(0, bits)))]

    def relate(self, compiler: Compiler) -> None:
        builder, op = compiler.builder, self._op
        out, inner = self._bias.bits, self._weight.bits - self._bias.bits
        outer = self._rows.bits - out
        acc = builder.claim(self._rows.place("ACC"), rho(0, out + outer))
        bias = builder.claim(whole(self._bias), rho(0, out))
        weight = builder.claim(whole(self._weight), r(0, inner), rho(0, out))
        given = compiler.read(op.input, r(0, inner), rho(out, outer))
        builder.sum(inner, [Term(1, acc), Term(-1, bias)], [Term(1, weight, given)])

    def fill(self, run: Run) -> None:
        op = self._op
        acc = run.tensors[op.input] @ pad(op.weight).T + pad(op.bias)
        multiplier = np.broadcast_to(pad(op.multiplier), acc.shape)
        run.requantise(op.name, acc, multiplier, op.table)
