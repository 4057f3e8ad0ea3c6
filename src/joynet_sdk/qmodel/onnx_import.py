"""Read a float ONNX graph as a chain of dense layers. The home of `onnx`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joynet_sdk.errors import InvalidInputError, MissingDependencyError

MAX_ONNX_BYTES = 1 << 30
SUPPORTED = ("Gemm", "Relu")


@dataclass(frozen=True, slots=True)
class DenseLayer:
    """y = W x + b, then max(y, 0) when `relu`.

    Attributes:
        weight: (out, in) float64.
        bias: (out,) float64.
    """

    name: str
    weight: NDArray[np.float64]
    bias: NDArray[np.float64]
    relu: bool


def read_onnx(path: Path) -> list[DenseLayer]:
    """Import Gemm and Relu nodes that form one chain.

    Raises:
        InvalidInputError: Not ONNX, or a node outside the set; the message names the node.
        MissingDependencyError: `onnx` is not installed.
    """
    graph = _load(path).graph
    from onnx import numpy_helper

    tensors = {init.name: numpy_helper.to_array(init) for init in graph.initializer}
    inputs = [value.name for value in graph.input if value.name not in tensors]
    if len(inputs) != 1 or len(graph.output) != 1:
        raise InvalidInputError(f"{path.name} has inputs {inputs}, expected one input, one output")
    layers: list[DenseLayer] = []
    current = inputs[0]
    for node in graph.node:
        label = f"node {node.name or node.output[0]!r} ({node.op_type})"
        if node.op_type not in SUPPORTED:
            raise InvalidInputError(f"{label} is not supported, expected one of {SUPPORTED}")
        if node.input[0] != current:
            raise InvalidInputError(f"{label} reads {node.input[0]!r}, expected {current!r}")
        if node.op_type == "Gemm":
            layers.append(_gemm(node, tensors, label, f"gemm{len(layers)}"))
        elif not layers or layers[-1].relu:
            raise InvalidInputError(f"{label} does not follow a Gemm")
        else:
            last = layers[-1]
            layers[-1] = DenseLayer(last.name, last.weight, last.bias, relu=True)
        current = node.output[0]
    if current != graph.output[0].name or not layers:
        raise InvalidInputError(f"{path.name}: the chain of nodes does not end in the output")
    return layers


def _load(path: Path) -> Any:
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError:
        raise MissingDependencyError("onnx", 'pip install "joynet-sdk[proofs]"') from None
    if path.stat().st_size > MAX_ONNX_BYTES:
        raise InvalidInputError(f"{path.name} has {path.stat().st_size} bytes, expected <= 1 GiB")
    try:
        model = onnx.load(path, load_external_data=False)
        onnx.checker.check_model(model)
    except (DecodeError, onnx.checker.ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise InvalidInputError(f"{path.name} is not a valid ONNX model: {reason}") from None
    return model


def _gemm(node: Any, tensors: dict[str, NDArray[Any]], label: str, name: str) -> DenseLayer:
    from onnx import helper

    attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    plain = (
        attributes.get("alpha", 1.0) == 1.0
        and attributes.get("beta", 1.0) == 1.0
        and not attributes.get("transA", 0)
    )
    missing = [key for key in node.input[1:] if key not in tensors]
    if not plain or missing:
        raise InvalidInputError(
            f"{label}: expected alpha = beta = 1, transA = 0 and constant weights"
            + (f"; {missing} are computed" if missing else "")
        )
    weight = tensors[node.input[1]].astype(np.float64)
    if not attributes.get("transB", 0):
        weight = weight.T
    bias = tensors[node.input[2]].astype(np.float64) if len(node.input) > 2 else np.zeros(1)
    try:
        bias = np.broadcast_to(bias.reshape(-1), (weight.shape[0],)).copy()
    except ValueError:
        raise InvalidInputError(f"{label}: bias {bias.shape} for {weight.shape[0]} rows") from None
    if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
        raise InvalidInputError(f"{label}: a weight is not finite")
    return DenseLayer(name, np.ascontiguousarray(weight), bias, relu=False)
