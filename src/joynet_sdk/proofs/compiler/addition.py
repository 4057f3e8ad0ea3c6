"""ACC = M1 a + M2 b at rho, with no sum at all; then requantised with M = 1."""

import numpy as np

from joynet_sdk.proofs.circuit import Term, rho
from joynet_sdk.proofs.compiler.context import Compiler, Run
from joynet_sdk.qmodel.ops import Add


class Addition:
    """An add of the model."""

    def __init__(self, compiler: Compiler, op: Add) -> None:
        self._op = op
        self._rows = compiler.rows(op.name, op.table, lambda _builder: [Term(1)])

    def relate(self, compiler: Compiler) -> None:
        """One linear equation of claims."""
        op, point = self._op, rho(0, self._rows.bits)
        acc = compiler.builder.claim(self._rows.place("ACC"), point)
        left, right = compiler.read(op.left, point), compiler.read(op.right, point)
        terms = [Term(-op.left_multiplier, left), Term(-op.right_multiplier, right)]
        compiler.builder.sum(0, [Term(1, acc), *terms], [])

    def fill(self, run: Run) -> None:
        """Padding is added like the rest."""
        op = self._op
        left, right = run.padded(op.left), run.padded(op.right)
        acc = op.left_multiplier * left + op.right_multiplier * right
        run.requantise(op.name, acc, np.ones_like(acc), op.table)
