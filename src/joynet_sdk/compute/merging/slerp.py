"""Spherical interpolation between the base and another model.

Shoemake 1985, "Animating rotation with quaternion curves", SIGGRAPH '85. A tensor is one vector;
the angle is between the two directions, and lengths are interpolated with them. Nearly parallel or
opposed vectors (cosine beyond 0.9995) are interpolated linearly. A zero vector counts as at a right
angle to every other.
"""

import torch

from joynet_sdk.compute.merging.arcs import arc_factors
from joynet_sdk.compute.merging.blocks import Blocks, spans
from joynet_sdk.compute.merging.inputs import MergeInputs
from joynet_sdk.compute.merging.sums import Sum

_LINEAR_COSINE = 0.9995
_TINY_LENGTH = 1e-8  # of a vector without a direction


def merge(inputs: MergeInputs) -> torch.Tensor:
    """The point `t` on the arc: 0 is the base, 1 the model; beyond them it goes on."""
    t = float(inputs.settings["t"])
    blocks = Blocks(inputs)
    cosine = _cosine(blocks)
    first, second = (1 - t, t) if abs(cosine) > _LINEAR_COSINE else arc_factors(cosine, t)
    for span in spans(blocks.count):
        point = blocks.base(span) * first
        blocks.write(span, point.add_(blocks.model(0, span) * second))
    return blocks.result


def _cosine(blocks: Blocks) -> float:
    squares, other_squares, products = Sum(), Sum(), Sum()
    for span in spans(blocks.count):
        base, model = blocks.base(span), blocks.model(0, span)
        squares.add_products(base, base)
        other_squares.add_products(model, model)
        products.add_products(base, model)
    length, other = squares.total() ** 0.5, other_squares.total() ** 0.5
    return products.total() / (_nonzero(length) * _nonzero(other))


def _nonzero(length: float) -> float:
    return length if length > _TINY_LENGTH else 1.0
