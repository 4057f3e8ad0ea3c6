"""Post-training quantisation: per-channel symmetric weights, calibrated activations.

Jacob et al. 2017, "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-
Only Inference"; zero points are 0 throughout.
"""

import numpy as np
from numpy.typing import NDArray

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.qmodel.model import SHIFT, GemmOp, QModel
from joynet_sdk.qmodel.onnx_import import DenseLayer

MAX_BIAS = 1 << 28  # largest |bias| in accumulator steps


def run_float(layers: list[DenseLayer], values: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Every layer's output on (batch, in) real inputs."""
    outputs = []
    for layer in layers:
        values = values @ layer.weight.T + layer.bias
        if layer.relu:
            values = np.maximum(values, 0.0)
        outputs.append(values)
    return outputs


def quantize(
    layers: list[DenseLayer],
    calibration: NDArray[np.float64],
    *,
    input_scale: str,
    input_shape: tuple[int, ...],
) -> QModel:
    """Make the integer model of a float chain.

    Args:
        layers: From `onnx_import.read_onnx`.
        calibration: (samples, in) real inputs that look like what will be served.
        input_scale: Real value of one int8 step of the input, e.g. "0.0625".
        input_shape: Shape of one input; its product is `in`.

    Raises:
        InvalidInputError: Calibration data of another width, or not finite.
    """
    width = layers[0].weight.shape[1]
    if calibration.ndim != 2 or calibration.shape[1] != width or not len(calibration):
        raise InvalidInputError(
            f"calibration data is {calibration.shape}, expected (samples, {width})"
        )
    if not np.isfinite(calibration).all():
        raise InvalidInputError("calibration data holds a value that is not finite")
    scale, ops = float(input_scale), []
    for layer, output in zip(layers, run_float(layers, calibration), strict=True):
        op, scale = _quantize_layer(layer, scale, float(np.abs(output).max()) / 127)
        ops.append(op)
    return QModel(input_shape, input_scale, f"{scale:.9g}", tuple(ops))


def _quantize_layer(
    layer: DenseLayer, input_scale: float, output_scale: float
) -> tuple[GemmOp, float]:
    """The integer layer and the real value of one step of its output."""
    # A channel whose weights vanish beside its bias takes a coarser step, so that the bias fits.
    peak = np.abs(layer.weight).max(axis=1) / 127
    weight_scale = np.maximum(peak, np.abs(layer.bias) / (input_scale * MAX_BIAS))
    weight_scale = np.where(weight_scale > 0, weight_scale, max(float(peak.max()), 1e-9))
    # Multipliers stay below 1: an output step is at least as large as any accumulator's step.
    step = weight_scale * input_scale
    output_scale = max(output_scale, float(step.max()) * 1.0001)
    weight = np.rint(layer.weight / weight_scale[:, None]).astype(np.int8)
    bias = np.rint(layer.bias / step)
    multiplier = np.rint(step / output_scale * 2**SHIFT).astype(np.uint32)
    table = "relu-clamp" if layer.relu else "clamp"
    return GemmOp(layer.name, weight, bias.astype(np.int32), multiplier, table), output_scale
