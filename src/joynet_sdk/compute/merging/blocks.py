"""Reading parents and writing the result block by block, so that no tensor is ever copied whole.

Every operation here and in the methods works on each element alone, and multiplies and adds in two
steps (a fused multiply-add rounds once, and not every machine has it): the bits of the result do
not depend on the number of threads, nor on the width of the machine's vectors.
"""

import math
from collections.abc import Iterator

import torch

from joynet_sdk.compute.merging.inputs import MergeInputs
from joynet_sdk.errors import InvalidInputError

BLOCK = 1 << 17  # elements: 512 KiB of float32, a few of which fit a core's cache


def spans(count: int, unit: int = 1) -> Iterator[slice]:
    """Cut `count` elements into blocks, each a multiple of `unit` (a row, say) and at least one."""
    step = unit * max(1, BLOCK // unit) if unit else BLOCK
    for start in range(0, count, step):
        yield slice(start, min(start + step, count))


class Blocks:
    """The parents of one tensor as blocks in the working dtype, and the place of the result.

    Attributes:
        count: Elements of the tensor.
        working: float32, or float64 where a parent is float64.
    """

    def __init__(self, inputs: MergeInputs) -> None:
        parents = inputs.everything
        self.count = parents[0].numel()
        self.working = (
            torch.float64
            if any(parent.dtype == torch.float64 for parent in parents)
            else torch.float32
        )
        self._name = inputs.name
        self._base = None if inputs.base is None else inputs.base.reshape(-1)
        self._models = [tensor.reshape(-1) for tensor in inputs.tensors]
        self.result = (
            torch.empty(inputs.tensors[0].shape, dtype=inputs.result_dtype)
            if inputs.out is None
            else inputs.out
        )
        self._out = self.result.view(-1)
        self._limit = torch.finfo(inputs.result_dtype).max

    def base(self, span: slice) -> torch.Tensor:
        """A block of the base, not to be written to; zeros if there is none."""
        if self._base is None:
            return torch.zeros(span.stop - span.start, dtype=self.working)
        return self._read(self._base, span, "the base")

    def model(self, index: int, span: slice) -> torch.Tensor:
        """A block of a model, not to be written to."""
        return self._read(self._models[index], span, f"model {index + 1}")

    def delta(self, index: int, span: slice, base: torch.Tensor | None = None) -> torch.Tensor:
        """A block of a task vector: the model less its base; the caller's own to write to."""
        model = self.model(index, span)
        if self._base is None:
            return model.clone()
        return model - (self.base(span) if base is None else base)

    def write(self, span: slice, block: torch.Tensor) -> None:
        """Store a block of the result.

        Raises:
            InvalidInputError: A value is beyond what the result's dtype holds.
        """
        if not _largest(block) <= self._limit:
            raise InvalidInputError(
                f"{self._name} has merged values beyond {self._limit:g}, the largest of "
                f"{self._out.dtype}",
                hint="merge to a wider dtype, or with smaller weights",
            )
        self._out[span].copy_(block)

    def _read(self, flat: torch.Tensor, span: slice, whose: str) -> torch.Tensor:
        block = flat[span].to(self.working)
        if not _largest(block) < math.inf:
            raise InvalidInputError(
                f"{self._name} of {whose} holds NaN or infinity, expected finite numbers",
                hint="that model is broken: leave it out, or take its tensor from another one",
            )
        return block


def _largest(block: torch.Tensor) -> float:
    """Largest magnitude, NaN if there is any; one pass."""
    low, high = torch.aminmax(block)
    return max(-float(low), float(high)) if low <= high else math.nan
