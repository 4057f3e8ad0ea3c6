"""What a QModel means, in plain int64 NumPy. Every other executor must give these integers.

Each function follows its paragraph of docs/spec/qmodel.md. It takes arrays with a leading batch
axis, int64, and returns the output and the integers on the way there (`Steps`).
"""

from collections.abc import Callable
from math import isqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joynet_sdk.qmodel.model import QModel
from joynet_sdk.qmodel.ops import (
    LAYERNORM_ROOT_BITS,
    LAYERNORM_SHIFT,
    PROBABILITY_STEPS,
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
    Softmax,
    View,
)
from joynet_sdk.qmodel.run import Integers, Steps, Trace, run, run_one

Result = tuple[Integers, Steps]


def execute(model: QModel, inputs: NDArray[Any]) -> NDArray[np.int8]:
    """Run the model.

    Args:
        inputs: (batch, input_size) int8, or uint16 for tokens.

    Returns:
        (batch, output_size) int8.

    Raises:
        InvalidInputError: Inputs of another shape or dtype, or an id that is too large.
    """
    return run(model, inputs, apply)


def trace(model: QModel, inputs: NDArray[Any]) -> Trace:
    """Run one input, (input_size,), and keep every tensor and every step."""
    return run_one(model, inputs, apply)


def apply(op: Op, *inputs: Integers) -> Result:
    """One op on a batch."""
    return _KERNELS[type(op)](op, *inputs)


def requantise(scaled: Integers, table: str, shift: int = SHIFT) -> Result:
    """q = (scaled + 2^(shift-1)) >> shift, then T. `scaled` is M * acc; |it| < 2^62."""
    rounded = scaled + (1 << (shift - 1))
    q = rounded >> shift
    low, high = TABLES[table]
    return np.clip(q, low, high), {"q": q, "rem": rounded - (q << shift)}


def _scaled(acc: Integers, multiplier: Integers | np.int64, table: str) -> Result:
    y, steps = requantise(acc * multiplier, table)
    return y, {"acc": acc, **steps}


def _gemm(op: Gemm, x: Integers) -> Result:
    acc = x @ op.weight.astype(np.int64).T + op.bias.astype(np.int64)
    return _scaled(acc, op.multiplier.astype(np.int64), op.table)


def windows(op: Conv | MaxPool | AvgPool, x: Integers, outside: int) -> Integers:
    """(batch, c, h, w) -> (batch, c, oh, ow, kh, kw): what each output position sees."""
    top, left, bottom, right = op.pads
    sides = ((0, 0), (0, 0), (top, bottom), (left, right))
    padded = np.pad(x, sides, constant_values=outside)
    slide: Any = np.lib.stride_tricks.sliding_window_view  # its stub knows one axis only
    every: Integers = slide(padded, op.kernel, axis=(2, 3))
    return every[:, :, :: op.strides[0], :: op.strides[1]]


def _conv(op: Conv, x: Integers) -> Result:
    seen = windows(op, x, 0)
    batch, channels, height, width = seen.shape[:4]
    per_group = channels // op.groups
    grouped = seen.reshape(batch, op.groups, per_group, height, width, *op.kernel)
    weight = op.weight.astype(np.int64).reshape(op.groups, -1, per_group, *op.kernel)
    sums = np.einsum("bgcpqij,gocij->bgopq", grouped, weight)
    acc = sums.reshape(batch, -1, height, width) + op.bias.astype(np.int64)[:, None, None]
    return _scaled(acc, op.multiplier.astype(np.int64)[:, None, None], op.table)


def _matmul(op: MatMul, left: Integers, right: Integers) -> Result:
    acc = left @ (right.swapaxes(-1, -2) if op.transposed else right)
    return _scaled(acc, np.int64(op.multiplier), op.table)


def _add(op: Add, left: Integers, right: Integers) -> Result:
    acc = op.left_multiplier * left + op.right_multiplier * right
    return _scaled(acc, np.int64(1), op.table)


def _lookup(op: Lookup, x: Integers) -> Result:
    return op.values.astype(np.int64)[x + 128], {}


def _maxpool(op: MaxPool, x: Integers) -> Result:
    return windows(op, x, -128).max(axis=(-2, -1)), {}


def _avgpool(op: AvgPool, x: Integers) -> Result:
    acc = windows(op, x, 0).sum(axis=(-2, -1))
    return _scaled(acc, np.int64(op.multiplier), op.table)


def _softmax(op: Softmax, x: Integers) -> Result:
    mx = x.max(axis=-1, keepdims=True)
    d = mx - x
    e = op.exp.astype(np.int64)[d]
    z = e.sum(axis=-1, keepdims=True)
    y = (2 * PROBABILITY_STEPS * e + z) // (2 * z)
    rem = 2 * PROBABILITY_STEPS * e + z - 2 * z * y
    return y, {"mx": mx[..., 0], "d": d, "e": e, "Z": z[..., 0], "rem": rem}


def inverse_root(v: Integers, epsilon: int) -> Integers:
    """R with R^2 * (v + epsilon) <= 2^60 < (R + 1)^2 * (v + epsilon), in Python integers."""
    top = 1 << (2 * LAYERNORM_ROOT_BITS)
    roots = [isqrt(top // (int(value) + epsilon)) for value in v.ravel()]
    return np.array(roots, np.int64).reshape(v.shape)


def layernorm(
    op: LayerNorm, x: Integers, root: Callable[[Integers, int], Integers] = inverse_root
) -> Result:
    """The op, with R from `root`."""
    total = x.sum(axis=-1, keepdims=True)
    c = x.shape[-1] * x - total
    v = (c * c).sum(axis=-1, keepdims=True)
    r = root(v, op.epsilon)
    acc, bias = c * r, op.bias.astype(np.int64) << SHIFT
    y, steps = requantise(acc * op.multiplier.astype(np.int64) + bias, op.table, LAYERNORM_SHIFT)
    top, spread = 1 << (2 * LAYERNORM_ROOT_BITS), v + op.epsilon
    below, above = top - r * r * spread, (r + 1) * (r + 1) * spread - 1 - top
    rows = {"sum": total, "V": v, "R": r, "below": below, "above": above}
    return y, {"c": c, "acc": acc, **steps, **{key: row[..., 0] for key, row in rows.items()}}


def _view(op: View, x: Integers) -> Result:
    axes = (0, *(axis + 1 for axis in op.perm))
    return x.reshape(-1, *op.split).transpose(axes).reshape(-1, *op.shape), {}


def _gather(op: Gather, x: Integers) -> Result:
    return x.take(op.indices.astype(np.int64), axis=op.axis + 1), {}


def _embed(op: Embed, ids: Integers, constant: Integers) -> Result:
    return constant[0][ids], {}


_KERNELS: dict[type[Op], Callable[..., Result]] = {
    Gemm: _gemm, Conv: _conv, MatMul: _matmul, Add: _add, Lookup: _lookup, MaxPool: _maxpool,
    AvgPool: _avgpool, Softmax: _softmax, LayerNorm: layernorm, View: _view, Gather: _gather,
    Embed: _embed,
}  # fmt: skip
