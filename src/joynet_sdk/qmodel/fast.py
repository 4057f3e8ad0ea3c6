"""The executor that serves requests: products run in BLAS on floats that hold them exactly.

A sum of integers is exact in any order while the sum of magnitudes stays below 2^24 in float32 or
2^53 in float64; `bounds` keeps every accumulator below 2^31. So this equals `reference` bit for
bit.
"""

from collections.abc import Callable
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joynet_sdk.qmodel import reference
from joynet_sdk.qmodel.model import QModel
from joynet_sdk.qmodel.ops import (
    LAYERNORM_ROOT_BITS,
    Conv,
    Gemm,
    LayerNorm,
    MatMul,
    MaxPool,
    Op,
)
from joynet_sdk.qmodel.run import Integers, Steps, Trace, run, run_one

FLOAT32_EXACT = 1 << 24
BATCH = 256  # inputs at a time
COLUMNS = 1 << 24  # floats in one unfolded convolution

Result = tuple[NDArray[Any], Steps]
Floats = type[np.float32] | type[np.float64]


def execute(model: QModel, inputs: NDArray[Any]) -> NDArray[np.int8]:
    """Same contract as `reference.execute`, many times faster."""
    model.check_inputs(inputs)
    size = _batch(model)
    parts = [run(model, inputs[at : at + size], apply) for at in range(0, len(inputs), size)]
    return np.concatenate(parts) if parts else np.zeros((0, model.output_size), np.int8)


def trace(model: QModel, inputs: NDArray[Any]) -> Trace:
    """Same contract as `reference.trace`."""
    return run_one(model, inputs, apply)


def apply(op: Op, *inputs: NDArray[Any]) -> Result:
    """One op on a batch."""
    kernel: Callable[..., Result] | None = _KERNELS.get(type(op))
    return kernel(op, *inputs) if kernel else reference.apply(op, *inputs)


def _batch(model: QModel) -> int:
    """Inputs at a time, so that the largest unfolded convolution stays small."""
    columns = [
        prod(model.shapes[op.name][1:]) * prod(op.kernel) * model.shapes[op.input][0]
        for op in model.ops
        if isinstance(op, Conv | MaxPool)
    ]
    return max(1, min(BATCH, COLUMNS // max(columns, default=1)))


def _floats(terms: int, left: NDArray[Any], right: NDArray[Any]) -> Floats:
    """The smallest type in which `terms` products of these values add up exactly."""
    largest = [max(int(array.max()), -int(array.min())) for array in (left, right)]
    return np.float32 if terms * largest[0] * largest[1] < FLOAT32_EXACT else np.float64


def _product(left: NDArray[Any], right: NDArray[Any]) -> Integers:
    """left @ right, exactly, over the last two axes."""
    kind = _floats(left.shape[-1], left, right)
    sums: NDArray[Any] = left.astype(kind) @ right.astype(kind)
    return sums.astype(np.int64)


def _requantise(acc: Integers, multiplier: Any, table: str) -> Result:
    y, steps = reference.requantise(acc * multiplier, table)
    return y, {"acc": acc, **steps}


def _gemm(op: Gemm, x: NDArray[Any]) -> Result:
    acc = _product(x.reshape(-1, x.shape[-1]), op.weight.T) + op.bias
    return _requantise(acc.reshape(*x.shape[:-1], -1), op.multiplier.astype(np.int64), op.table)


def _conv(op: Conv, x: NDArray[Any]) -> Result:
    seen = reference.windows(op, x.astype(np.int8), 0)
    batch, channels, height, width = seen.shape[:4]
    acc = np.empty((batch, op.weight.shape[0], height, width), np.int64)
    per_group, outputs = channels // op.groups, op.weight.shape[0] // op.groups
    places = max(1, COLUMNS // (batch * per_group * prod(op.kernel)))  # unfolded at a time
    rows = max(1, places // width)
    for group, top, left in product(
        range(op.groups), range(0, height, rows), range(0, width, places)
    ):
        part = slice(top, top + rows), slice(left, left + places)
        own = seen[:, group * per_group : (group + 1) * per_group, *part]
        out = slice(group * outputs, (group + 1) * outputs)
        acc[:, out, *part] = _unfolded(own, op.weight[out])
    acc += op.bias.astype(np.int64)[:, None, None]
    return _requantise(acc, op.multiplier.astype(np.int64)[:, None, None], op.table)


def _unfolded(seen: NDArray[Any], weight: NDArray[np.int8]) -> Integers:
    """(batch, c, p, r, i, j) windows and (o, c, i, j) weights -> (batch, o, p, r) sums."""
    batch, _, height, width = seen.shape[:4]
    columns = seen.transpose(0, 2, 3, 1, 4, 5).reshape(batch * height * width, -1)
    sums = _product(columns, weight.reshape(len(weight), -1).T)
    return sums.reshape(batch, height, width, -1).transpose(0, 3, 1, 2)


def _matmul(op: MatMul, left: NDArray[Any], right: NDArray[Any]) -> Result:
    acc = _product(left, right.swapaxes(-1, -2) if op.transposed else right)
    return _requantise(acc, op.multiplier, op.table)


def _inverse_root(v: Integers, epsilon: int) -> Integers:
    """`reference.inverse_root`: a float64 square root is off by one at most, then corrected."""
    quotient = (1 << (2 * LAYERNORM_ROOT_BITS)) // (v + epsilon)
    root = np.sqrt(quotient.astype(np.float64)).astype(np.int64)
    root -= root * root > quotient
    root += (root + 1) * (root + 1) <= quotient
    return root


def _layernorm(op: LayerNorm, x: Integers) -> Result:
    return reference.layernorm(op, x, _inverse_root)


_KERNELS: dict[type[Op], Callable[..., Result]] = {
    Gemm: _gemm,
    Conv: _conv,
    MatMul: _matmul,
    LayerNorm: _layernorm,
}
