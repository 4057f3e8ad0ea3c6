"""One float node as one integer op, for given scales of its inputs and its output."""

from collections.abc import Mapping
from math import prod, sqrt

import numpy as np

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.qmodel.floats import (
    Average,
    Clamped,
    Convolution,
    Floats,
    Linear,
    Normalised,
    Pointwise,
    Product,
    Softmaxed,
    Sum,
)
from joynet_sdk.qmodel.ops import (
    LAYERNORM_MULTIPLIER,
    LAYERNORM_ROOT_BITS,
    LAYERNORM_SHIFT,
    SHIFT,
    Add,
    AvgPool,
    Conv,
    Gemm,
    LayerNorm,
    Lookup,
    MatMul,
    Op,
    Shape,
    Softmax,
)
from joynet_sdk.qmodel.shapes import MAX_EPSILON

MAX_BIAS = 1 << 28  # largest |bias| of the importer, in accumulator steps
EXP_PEAK = (1 << 16) - 1
BIAS_BITS = LAYERNORM_SHIFT - SHIFT
ROOM = 1.0000002  # a multiplier that rounds up still stays below 2^24

Scales = Mapping[str, float]


def weight_scales(node: Linear | Convolution, input_scale: float) -> Floats:
    """Real value of one weight step, for each channel.

    A channel whose weights vanish beside its bias takes a coarser step, so that the bias fits.
    """
    peak = np.abs(node.weight.reshape(len(node.weight), -1)).max(axis=1) / 127
    scale = np.maximum(peak, np.abs(node.bias) / (input_scale * MAX_BIAS))
    return np.where(scale > 0, scale, max(float(peak.max()), 1e-9))


def least_scale(node: Clamped, scales: Scales, shapes: Mapping[str, Shape]) -> float:
    """The smallest output step for which every multiplier is in range."""
    if isinstance(node, Linear | Convolution):
        largest = float((weight_scales(node, scales[node.input]) * scales[node.input]).max())
        return largest * ROOM
    if isinstance(node, Product):
        return node.factor * scales[node.left] * scales[node.right] * ROOM
    if isinstance(node, Sum):
        steps = node.left_factor * scales[node.left], node.right_factor * scales[node.right]
        return max(steps) * ROOM
    if isinstance(node, Average):
        return scales[node.input] / prod(node.kernel) * ROOM
    slope = _slope(node, shapes[node.input][-1], 1.0)
    return float(np.abs(slope).max()) / (LAYERNORM_MULTIPLIER - 1)


def lower(node: Clamped, scales: Scales, scale: float, shapes: Mapping[str, Shape]) -> Op:
    """The op of a node that is requantised to steps of `scale`."""
    table = "relu-clamp" if node.relu else "clamp"
    if isinstance(node, Linear | Convolution):
        return _linear(node, scales[node.input], scale, table)
    if isinstance(node, Product):
        step = node.factor * scales[node.left] * scales[node.right]
        return MatMul(
            node.name, node.left, node.right, node.transposed, _multiplier(step, scale), table
        )
    if isinstance(node, Sum):
        left = _multiplier(node.left_factor * scales[node.left], scale)
        right = _multiplier(node.right_factor * scales[node.right], scale)
        return Add(node.name, node.left, node.right, left, right, table)
    if isinstance(node, Average):
        multiplier = _multiplier(scales[node.input] / prod(node.kernel), scale)
        return AvgPool(
            node.name, node.input, node.kernel, node.strides, node.pads, multiplier, table
        )
    return _layernorm(node, scales[node.input], scale, shapes[node.input][-1], table)


def softmax_op(node: Softmaxed, input_scale: float) -> Softmax:
    """exp[d] = 65535 * exp(-d * step)."""
    distances = np.arange(256) * input_scale * node.factor
    return Softmax(node.name, node.input, np.rint(EXP_PEAK * np.exp(-distances)).astype(np.uint16))


def table_op(node: Pointwise, input_scale: float, scale: float) -> Lookup:
    """The function at each of 256 values."""
    with np.errstate(all="ignore"):
        real = np.asarray(node.function(np.arange(-128, 128) * input_scale), np.float64)
    if np.isnan(real).any():
        raise InvalidInputError(f"{node.name}: the function has no value somewhere in its range")
    return Lookup(node.name, node.input, np.clip(np.rint(real / scale), -128, 127).astype(np.int8))


def _multiplier(step: float, scale: float) -> int:
    return min(round(step / scale * (1 << SHIFT)), (1 << SHIFT) - 1)


def _linear(
    node: Linear | Convolution, input_scale: float, scale: float, table: str
) -> Gemm | Conv:
    weight_scale = weight_scales(node, input_scale)
    sides = (-1,) + (1,) * (node.weight.ndim - 1)
    weight = np.rint(node.weight / weight_scale.reshape(sides)).astype(np.int8)
    step = weight_scale * input_scale
    bias = np.rint(node.bias / step).astype(np.int32)
    ratio = np.rint(step / scale * (1 << SHIFT))
    multiplier = np.minimum(ratio, (1 << SHIFT) - 1).astype(np.uint32)
    if isinstance(node, Linear):
        return Gemm(node.name, node.input, weight, bias, multiplier, table)
    return Conv(
        node.name, node.input, weight, bias, multiplier, node.strides, node.pads, node.groups, table
    )


def _slope(node: Normalised, side: int, scale: float) -> Floats:
    """Output steps for each step of c * R, in 2^-36: y = gamma * sqrt(n) * c * R / 2^30."""
    unit = sqrt(side) * float(1 << (LAYERNORM_SHIFT - LAYERNORM_ROOT_BITS))
    return node.weight * unit / scale


def _layernorm(
    node: Normalised, input_scale: float, scale: float, side: int, table: str
) -> LayerNorm:
    multiplier = np.rint(_slope(node, side, scale)).astype(np.int32)
    bias = np.rint(node.bias / scale * (1 << BIAS_BITS))
    epsilon = min(max(1, round(side**3 * node.epsilon / input_scale**2)), MAX_EPSILON - 1)
    if np.abs(bias).max() >= 1 << 31:
        raise InvalidInputError(f"{node.name}: a bias of {node.bias.max():g} passes int32")
    return LayerNorm(node.name, node.input, multiplier, bias.astype(np.int32), epsilon, table)
