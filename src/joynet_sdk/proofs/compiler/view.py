"""Reshapes and transpositions: other names for elements that lie there already."""

from dataclasses import replace

from joynet_sdk.proofs.compiler.context import Compiler, Run
from joynet_sdk.qmodel.ops import View


class Viewed:
    """A view of the model: the input's elements, in the view's order."""

    def __init__(self, compiler: Compiler, op: View) -> None:
        given = compiler.tensors[op.input]
        lead = () if given.lead else compiler.lead
        axes = (*range(len(lead)), *(len(lead) + axis for axis in op.perm))
        split = given.positions.reshape(*lead, *op.split).transpose(axes)
        compiler.tensors[op.name] = replace(given, positions=split.reshape(*lead, *op.shape))

    def relate(self, compiler: Compiler) -> None:
        """Nothing: no element is new."""

    def fill(self, run: Run) -> None:
        """Nothing."""
