"""What a QModel means, in plain int64 NumPy. Every other executor must give these bytes."""

import numpy as np
from numpy.typing import NDArray

from joynet_sdk.qmodel.model import SHIFT, TABLES, GemmOp, QModel


def execute(model: QModel, inputs: NDArray[np.int8]) -> NDArray[np.int8]:
    """Run the model.

    Args:
        inputs: (batch, input_size) int8.

    Returns:
        (batch, output_size) int8.
    """
    values = inputs
    for op in model.ops:
        values = gemm(op, values)
    return values


def gemm(op: GemmOp, values: NDArray[np.int8]) -> NDArray[np.int8]:
    """acc = x W^T + b in int64, then `requantise`. (batch, in) int8 -> (batch, out) int8."""
    acc = values.astype(np.int64) @ op.weight.astype(np.int64).T + op.bias.astype(np.int64)
    return requantise(acc, op)


def requantise(acc: NDArray[np.int64], op: GemmOp) -> NDArray[np.int8]:
    """q = (M * acc + 2^(S-1)) >> S, arithmetic shift, then the table's clamp.

    |M * acc| < 2^24 * 2^31, so int64 never wraps.
    """
    q = (op.multiplier.astype(np.int64) * acc + (1 << (SHIFT - 1))) >> SHIFT
    low, high = TABLES[op.table]
    return np.clip(q, low, high).astype(np.int8)
