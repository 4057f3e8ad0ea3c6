"""The executor that serves requests: the matrix product runs in float64 BLAS.

Every partial sum is an integer below 2^31 (`model.accumulator_bound`) and float64 holds integers
exactly up to 2^53: the result equals `reference.execute` bit for bit in any order of additions.
"""

import numpy as np
from numpy.typing import NDArray

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.qmodel.model import GemmOp, QModel
from joynet_sdk.qmodel.reference import requantise


def execute(model: QModel, inputs: NDArray[np.int8]) -> NDArray[np.int8]:
    """Same contract as `reference.execute`, many times faster.

    Raises:
        InvalidInputError: `inputs` is not (batch, input_size) int8.
    """
    if inputs.ndim != 2 or inputs.shape[1] != model.input_size or inputs.dtype != np.int8:
        raise InvalidInputError(
            f"input is {inputs.dtype} {inputs.shape}, expected int8 (batch, {model.input_size})"
        )
    values = inputs
    for op in model.ops:
        values = _gemm(op, values)
    return values


def _gemm(op: GemmOp, values: NDArray[np.int8]) -> NDArray[np.int8]:
    product = values.astype(np.float64) @ op.weight.astype(np.float64).T
    return requantise(product.astype(np.int64) + op.bias, op)
