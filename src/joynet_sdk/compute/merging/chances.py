"""Elements of a task vector kept by chance: one for all (DARE), or by magnitude (DELLA).

An element is kept where its word of `random_bits` is below its chance x 2^32, rounded down.
"""

import math

import numpy as np
import torch
from numpy.typing import NDArray

from joynet_sdk.compute.merging.blocks import Blocks
from joynet_sdk.compute.merging.inputs import MergeInputs
from joynet_sdk.compute.merging.pruning import Everything, Nothing, Pruner
from joynet_sdk.compute.merging.random_bits import words
from joynet_sdk.errors import InvalidInputError

_WORDS = 1 << 32


class ByChance:
    """Keeps each element with one chance; remembers what it drew, a bit for each element."""

    unit = 1

    def __init__(self, density: float, seed: int, stream: int) -> None:
        self._threshold = np.uint32(math.floor(density * _WORDS))
        self._seed, self._stream = seed, stream
        self._drawn: dict[int, NDArray[np.uint8]] = {}

    def prune(self, delta: torch.Tensor, span: slice) -> None:
        """Zero what was not drawn."""
        if span.start not in self._drawn:
            kept = self._draw(delta, words(self._seed, self._stream, span.start, len(delta)))
            self._drawn[span.start] = np.packbits(kept)
        values = delta.numpy()
        mask = np.unpackbits(self._drawn[span.start], count=len(values))
        np.multiply(values, mask, out=values)

    def _draw(self, delta: torch.Tensor, drawn: NDArray[np.uint32]) -> NDArray[np.bool_]:
        return drawn < self._threshold


class ByRank(ByChance):
    """Keeps the larger elements of each lane with the larger chances.

    A lane runs along the second axis (a tensor of one axis is one lane). Its smallest magnitude is
    kept with density - epsilon, its largest with density + epsilon, the others in equal steps by
    rank; equal magnitudes rank in order. The only element of a lane is kept with density.
    """

    def __init__(
        self, shape: torch.Size, density: float, epsilon: float, seed: int, stream: int
    ) -> None:
        super().__init__(density, seed, stream)
        lane = shape[1] if len(shape) > 1 else math.prod(shape)
        self.unit = math.prod(shape[1:]) if len(shape) > 1 else lane
        self._lanes = (-1, lane, self.unit // lane)
        steps = np.arange(lane) / (lane - 1) if lane > 1 else np.array([0.5])
        chances = (density - epsilon) + steps * 2 * epsilon
        self._thresholds = torch.from_numpy(
            np.floor(chances * _WORDS).astype(np.uint32).view(np.int32)
        )

    def _draw(self, delta: torch.Tensor, drawn: NDArray[np.uint32]) -> NDArray[np.bool_]:
        lanes = delta.abs().view(self._lanes)
        thresholds = torch.empty(lanes.shape, dtype=torch.int32)
        thresholds.scatter_(1, _order(lanes), self._thresholds[None, :, None].expand(lanes.shape))
        return drawn < thresholds.view(-1).numpy().view(np.uint32)


def by_chance(blocks: Blocks, index: int, inputs: MergeInputs) -> Pruner:
    """Keep each element of a task vector with probability `density` (Yu et al. 2024, section 3)."""
    density = float(inputs.parameters[index]["density"])
    if density >= 1:
        return Everything()
    return ByChance(density, inputs.seed, index)


def by_rank(blocks: Blocks, index: int, inputs: MergeInputs) -> Pruner:
    """Keep elements by their rank in their lane (MagPrune: Deep et al. 2024, section 3.1).

    Raises:
        InvalidInputError: density - epsilon or density + epsilon is no probability within (0, 1).
    """
    density = float(inputs.parameters[index]["density"])
    epsilon = float(inputs.parameters[index]["epsilon"])
    if density >= 1 or not blocks.count:
        return Everything()
    if density <= 0:
        return Nothing()
    if density <= epsilon or density + epsilon >= 1:
        raise InvalidInputError(
            f"density {density:g} with epsilon {epsilon:g} keeps elements with probabilities "
            f"{density - epsilon:g} to {density + epsilon:g}, expected both within (0, 1)",
            hint="choose an epsilon below the density and below 1 - density",
        )
    return ByRank(inputs.tensors[index].shape, density, epsilon, inputs.seed, index)


def _order(lanes: torch.Tensor) -> torch.Tensor:
    """Stable argsort of non-negative values along axis 1, int64."""
    if lanes.dtype != torch.float32:
        return torch.argsort(lanes, dim=1, stable=True)
    # Bits of a non-negative float grow with it; with the index below them no two keys are equal,
    # so that any sort is stable, and sorts of plain integers are fast.
    keys = lanes.view(torch.int32).to(torch.int64).bitwise_left_shift_(32)
    keys.bitwise_or_(torch.arange(lanes.shape[1])[None, :, None])
    patterns = keys.numpy()
    patterns.sort(axis=1)
    return keys.bitwise_and_((1 << 32) - 1)
