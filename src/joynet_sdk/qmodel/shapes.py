"""Shapes and dtypes of every op: checked once, before anything runs."""

from collections.abc import Callable, Mapping
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.qmodel.ops import (
    LAYERNORM_MULTIPLIER,
    SHIFT,
    TABLES,
    Add,
    AvgPool,
    Conv,
    Embed,
    Gather,
    Gemm,
    LayerNorm,
    Lookup,
    MatMul,
    MaxPool,
    Op,
    Pair,
    Shape,
    Softmax,
    View,
    inputs_of,
)

MAX_SIDES = 6
MAX_ELEMENTS = 1 << 24  # int8 values in one tensor
MAX_NORM_SIDE = 1024
MAX_EPSILON = 1 << 46
MAX_ROW = 1 << 15  # values in one softmax row


def output_shape(op: Op, shapes: Mapping[str, Shape]) -> Shape:
    """Shape of what an op makes.

    Args:
        shapes: Shapes of the tensors made before it.

    Raises:
        InvalidInputError: A field of another dtype, shape or range; the message names the op.
    """
    for field, dtype in op.arrays.items():
        value = getattr(op, field)
        if value.dtype != dtype:
            raise _bad(op, f"{field} is {value.dtype}", np.dtype(dtype).name)
    table = getattr(op, "table", "clamp")
    if table not in TABLES:
        raise _bad(op, f"table is {table!r:.40}", f"one of {list(TABLES)}")
    shape = _RULES[type(op)](op, *(shapes[name] for name in inputs_of(op)))
    check_shape(shape, op.name)
    return shape


def check_shape(shape: Shape, name: str) -> None:
    """Refuse a tensor with a side below 1, too many sides or too many values."""
    if not len(shape) <= MAX_SIDES or any(side < 1 for side in shape) or not shape:
        raise InvalidInputError(
            f"{name}: shape is {list(shape)}, expected 1 to {MAX_SIDES} sides of at least 1"
        )
    if prod(shape) > MAX_ELEMENTS:
        raise InvalidInputError(
            f"{name}: shape {list(shape)} has {prod(shape)} values, expected <= {MAX_ELEMENTS}"
        )


def work_of(op: Op, shapes: Mapping[str, Shape], out: Shape) -> int:
    """Multiply-adds or comparisons of one run of an op."""
    if isinstance(op, Gemm):
        return prod(out) * int(op.weight.shape[1])
    if isinstance(op, Conv):
        return prod(out) * prod(op.weight.shape[1:])
    if isinstance(op, MatMul):
        return prod(out) * shapes[op.left][-1]
    if isinstance(op, MaxPool | AvgPool):
        return prod(out) * prod(op.kernel)
    return prod(out)


def _bad(op: Op, found: str, expected: str) -> InvalidInputError:
    return InvalidInputError(f"{op.name} ({op.kind}): {found}, expected {expected}")


def _expect_shape(op: Op, field: str, expected: Shape) -> None:
    value: NDArray[Any] = getattr(op, field)
    if value.shape != expected:
        raise _bad(op, f"{field} is {list(value.shape)}", f"{list(expected)}")


def _check_multipliers(op: Op, *values: int) -> None:
    for value in values:
        if not 0 <= value < 1 << SHIFT:
            raise _bad(op, f"multiplier is {value}", f"0 to 2^{SHIFT} - 1")


def _per_channel(op: Gemm | Conv, channels: int) -> None:
    _expect_shape(op, "bias", (channels,))
    _expect_shape(op, "multiplier", (channels,))
    _check_multipliers(op, int(op.multiplier.max()))


def _windows(op: Conv | MaxPool | AvgPool, shape: Shape, kernel: Pair) -> Pair:
    """(oh, ow), after checking the strides and pads."""
    if len(shape) != 3:
        raise _bad(op, f"input is {list(shape)}", "(channels, height, width)")
    top, left, bottom, right = op.pads
    sides = []
    for size, before, after, width, stride in (
        (shape[1], top, bottom, kernel[0], op.strides[0]),
        (shape[2], left, right, kernel[1], op.strides[1]),
    ):
        if not (0 <= before < width and 0 <= after < width and stride >= 1):
            raise _bad(
                op,
                f"kernel {list(kernel)}, strides {list(op.strides)}, pads {list(op.pads)}",
                "strides >= 1 and pads below the kernel",
            )
        sides.append((size + before + after - width) // stride + 1)
    if min(sides) < 1:
        raise _bad(op, f"input is {list(shape)}", f"at least the kernel {list(kernel)}")
    return sides[0], sides[1]


def _gemm(op: Gemm, shape: Shape) -> Shape:
    if op.weight.ndim != 2 or op.weight.shape[1] != shape[-1] or not op.weight.shape[0]:
        raise _bad(op, f"weight is {list(op.weight.shape)}", f"(out, {shape[-1]})")
    _per_channel(op, op.weight.shape[0])
    return (*shape[:-1], int(op.weight.shape[0]))


def _conv(op: Conv, shape: Shape) -> Shape:
    if op.weight.ndim != 4 or not op.weight.size or op.groups < 1:
        raise _bad(op, f"weight is {list(op.weight.shape)}", "(out, in / groups, height, width)")
    height, width = _windows(op, shape, op.kernel)
    channels, per_group = op.weight.shape[0], op.weight.shape[1]
    if per_group * op.groups != shape[0] or channels % op.groups:
        raise _bad(
            op,
            f"weight is {list(op.weight.shape)} with {op.groups} groups",
            f"{shape[0]} input channels and groups of equal size",
        )
    _per_channel(op, channels)
    return int(channels), height, width


def _matmul(op: MatMul, left: Shape, right: Shape) -> Shape:
    _check_multipliers(op, op.multiplier)
    if len(left) < 2 or len(right) != len(left) or left[:-2] != right[:-2]:
        raise _bad(op, f"inputs are {list(left)} and {list(right)}", "equal leading sides")
    inner, columns = (right[-1], right[-2]) if op.transposed else (right[-2], right[-1])
    if inner != left[-1]:
        raise _bad(op, f"inputs are {list(left)} and {list(right)}", "one inner side")
    return (*left[:-1], columns)


def _add(op: Add, left: Shape, right: Shape) -> Shape:
    _check_multipliers(op, op.left_multiplier, op.right_multiplier)
    if left != right:
        raise _bad(op, f"inputs are {list(left)} and {list(right)}", "equal shapes")
    return left


def _lookup(op: Lookup, shape: Shape) -> Shape:
    _expect_shape(op, "values", (256,))
    return shape


def _maxpool(op: MaxPool, shape: Shape) -> Shape:
    return (shape[0], *_windows(op, shape, op.kernel))


def _avgpool(op: AvgPool, shape: Shape) -> Shape:
    _check_multipliers(op, op.multiplier)
    return (shape[0], *_windows(op, shape, op.kernel))


def _softmax(op: Softmax, shape: Shape) -> Shape:
    _expect_shape(op, "exp", (256,))
    if op.exp[0] < 1:
        raise _bad(op, "exp[0] is 0", "at least 1")
    if shape[-1] > MAX_ROW:
        raise _bad(op, f"a row has {shape[-1]} values", f"at most {MAX_ROW}")
    return shape


def _layernorm(op: LayerNorm, shape: Shape) -> Shape:
    side = shape[-1]
    if not 2 <= side <= MAX_NORM_SIDE:
        raise _bad(op, f"the last side is {side}", f"2 to {MAX_NORM_SIDE}")
    _expect_shape(op, "multiplier", (side,))
    _expect_shape(op, "bias", (side,))
    low, high = int(op.multiplier.min()), int(op.multiplier.max())
    if not -LAYERNORM_MULTIPLIER <= low <= high < LAYERNORM_MULTIPLIER:
        raise _bad(op, f"multipliers are {low} to {high}", "-2^23 to 2^23 - 1")
    if not 1 <= op.epsilon < MAX_EPSILON:
        raise _bad(op, f"epsilon is {op.epsilon}", "1 to 2^46 - 1")
    return shape


def _view(op: View, shape: Shape) -> Shape:
    check_shape(op.split, op.name)
    if prod(op.split) != prod(shape) or sorted(op.perm) != list(range(len(op.split))):
        raise _bad(op, f"input {list(shape)}, split {list(op.split)}, perm {list(op.perm)}",
                   "one size, and a permutation of the sides")  # fmt: skip
    check_shape(op.shape, op.name)
    if prod(op.shape) != prod(shape):
        raise _bad(op, f"input {list(shape)}, shape {list(op.shape)}", "one size")
    return op.shape


def _gather(op: Gather, shape: Shape) -> Shape:
    if not 0 <= op.axis < len(shape) or op.indices.ndim != 1 or not op.indices.size:
        raise _bad(op, f"axis {op.axis}, indices {list(op.indices.shape)} of input {list(shape)}",
                   "an axis of the input and (k,) indices")  # fmt: skip
    if int(op.indices.max()) >= shape[op.axis]:
        raise _bad(op, f"an index is {int(op.indices.max())}", f"below {shape[op.axis]}")
    return (*shape[: op.axis], int(op.indices.size), *shape[op.axis + 1 :])


def _embed(op: Embed, ids: Shape, constant: Shape) -> Shape:
    if len(ids) != 1 or len(constant) != 2:
        raise _bad(op, f"ids {list(ids)}, constant {list(constant)}", "(s,) and (rows, n)")
    return ids[0], constant[1]


_RULES: dict[type[Op], Callable[..., Shape]] = {
    Gemm: _gemm, Conv: _conv, MatMul: _matmul, Add: _add, Lookup: _lookup, MaxPool: _maxpool,
    AvgPool: _avgpool, Softmax: _softmax, LayerNorm: _layernorm, View: _view, Gather: _gather,
    Embed: _embed,
}  # fmt: skip
