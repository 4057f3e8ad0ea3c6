"""Spherical interpolation between two models, or between their task vectors if there is a base.

Shoemake 1985, "Animating rotation with quaternion curves", SIGGRAPH '85. The place on the arc is
the second weight's share. An arc is taken for a tensor as a whole, for each vector along its last
axis (`nuslerp_flatten: false`), or along its first (`nuslerp_row_wise: true` as well).
"""

import torch

from joynet_sdk.compute.merging.arcs import PARALLEL, arc_factors
from joynet_sdk.compute.merging.blocks import Blocks, spans
from joynet_sdk.compute.merging.inputs import MergeInputs
from joynet_sdk.compute.merging.lanes import Lanes

_TINY_LENGTH = 1e-7
_TINY_WEIGHTS = 1e-6


def merge(inputs: MergeInputs) -> torch.Tensor:
    """The point on the arc (arcs), added to the base if there is one."""
    first, second = (float(values["weight"]) for values in inputs.parameters)
    t = second / (first + second) if abs(first + second) >= _TINY_WEIGHTS else 0.5
    blocks = Blocks(inputs)
    lanes = _lanes(inputs)
    left, right = _factors(blocks, lanes, t)
    for span in spans(blocks.count, lanes.unit):
        base = blocks.base(span) if inputs.base is not None else None
        point = lanes.scale(blocks.delta(0, span, base), left, span)
        point.add_(lanes.scale(blocks.delta(1, span, base), right, span))
        blocks.write(span, point if base is None else point.add_(base))
    return blocks.result


def _lanes(inputs: MergeInputs) -> Lanes:
    shape = inputs.tensors[0].shape
    if inputs.settings["nuslerp_flatten"] or not shape:
        return Lanes.whole()
    return (
        Lanes.along_first(shape) if inputs.settings["nuslerp_row_wise"] else Lanes.along_last(shape)
    )


def _factors(blocks: Blocks, lanes: Lanes, t: float) -> tuple[torch.Tensor, torch.Tensor]:
    squares, other_squares, products = lanes.sums(), lanes.sums(), lanes.sums()
    for span in spans(blocks.count, lanes.unit):
        one, other = blocks.delta(0, span), blocks.delta(1, span)
        squares.add_products(one, one)
        other_squares.add_products(other, other)
        products.add_products(one, other)
    factors = [
        _factor_pair(product, square**0.5, other**0.5, t)
        for square, other, product in zip(
            squares.totals(), other_squares.totals(), products.totals(), strict=True
        )
    ]
    left, right = torch.tensor(factors, dtype=torch.float64).reshape(-1, 2).unbind(1)
    return left.to(blocks.working), right.to(blocks.working)


def _factor_pair(product: float, length: float, other: float, t: float) -> tuple[float, float]:
    cosine = product / (max(length, _TINY_LENGTH) * max(other, _TINY_LENGTH))
    return (1 - t, t) if 1 - cosine * cosine <= PARALLEL else arc_factors(cosine, t)
