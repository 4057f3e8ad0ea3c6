"""Reshapes and transpositions: other names for elements that lie there already."""

from joynet_sdk.proofs.compiler.compile import Compiler, Run
from joynet_sdk.proofs.compiler.layout import Tensor
from joynet_sdk.qmodel.ops import View


class Viewed:
    """A view of the model."""

    def __init__(self, _compiler: Compiler, op: View) -> None:
        self._op = op

    def place(self, compiler: Compiler, op: View) -> None:
        """The input's elements, in the view's order."""
        given = compiler.tensors[op.input]
        split = given.positions.reshape(op.split).transpose(op.perm)
        compiler.tensors[op.name] = Tensor(
            given.root, given.place, given.bits, split.reshape(op.shape)
        )

    def relate(self, compiler: Compiler) -> None:
        """Nothing: no element is new."""

    def fill(self, run: Run) -> None:
        """Nothing."""
