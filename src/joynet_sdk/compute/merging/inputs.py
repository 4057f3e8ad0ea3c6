"""What a merge method is given for one tensor."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from joynet_sdk.merges import Value


@dataclass(frozen=True)
class MergeInputs:
    """One output tensor's parents and parameters.

    Attributes:
        name: Output tensor, for errors.
        tensors: One for each model beside the base, all of one shape. Any floating dtype, mixed
            if need be, as stored (memory-mapped or not): no method writes to them or copies one
            whole. Integer and bool tensors must all be equal.
        parameters: For each model: weight, density, ...; what is left out has its default.
        base: The model that the others were tuned from, where the method has one.
        settings: Of the tensor: t, normalize, lambda, ...; likewise.
        seed: Of this tensor, 0 to 2^64 - 1.
        dtype: Of the result, floating; None for that of the first tensor.
        out: Where the result is written (contiguous, same shape, dtype of the result), or None for
            a new tensor.
    """

    name: str
    tensors: tuple[torch.Tensor, ...]
    parameters: tuple[Mapping[str, Value], ...]
    base: torch.Tensor | None = None
    settings: Mapping[str, Value] = field(default_factory=dict)
    seed: int = 0
    dtype: torch.dtype | None = None
    out: torch.Tensor | None = None

    @property
    def result_dtype(self) -> torch.dtype:
        """What the result is stored as; integers stay what they are."""
        first = self.tensors[0].dtype
        return self.dtype if self.dtype is not None and first.is_floating_point else first

    @property
    def everything(self) -> tuple[torch.Tensor, ...]:
        """All parents: the base first, then the models."""
        return self.tensors if self.base is None else (self.base, *self.tensors)
