"""Read an ONNX file into plain Python values, after cheap checks. The home of `onnx`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joynet_sdk.errors import InvalidInputError, MissingDependencyError
from joynet_sdk.qmodel.ops import Shape
from joynet_sdk.qmodel.shapes import MAX_ELEMENTS, MAX_SIDES

MAX_ONNX_BYTES = 1 << 30
MAX_NODES = 20_000
MIN_OPSET = 7


@dataclass(frozen=True, slots=True)
class OnnxNode:
    """One node.

    Attributes:
        kind: ONNX operator, "domain.Operator" outside the standard domain.
        name: Its name, or its first output's.
        inputs: Tensor names; "" where an optional input is left out.
    """

    kind: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]

    def bad(self, found: str, expected: str) -> InvalidInputError:
        """An error that names the node."""
        return InvalidInputError(f"{self}: {found}, expected {expected}")

    def __str__(self) -> str:
        return f"node {self.name!r:.120} ({self.kind:.40})"


@dataclass(frozen=True, slots=True)
class OnnxGraph:
    """One input, one output, constants, and nodes in topological order.

    Attributes:
        input_shape: With the batch, which is 1.
        is_tokens: Whether the input is integers (token ids).
        constants: Initialisers: floats as float64, integers as int64, booleans.
        opset: Version of the standard operators.
    """

    input: str
    input_shape: Shape
    is_tokens: bool
    output: str
    constants: dict[str, NDArray[Any]]
    nodes: tuple[OnnxNode, ...]
    opset: int


def read_file(path: Path) -> OnnxGraph:
    """Read and check an ONNX file.

    Raises:
        InvalidInputError: Too large, not ONNX, weights outside the file, sizes that do not fit,
            values that are not finite, or a number of inputs or outputs other than one.
        MissingDependencyError: `onnx` is not installed.
    """
    model = _load(path)
    graph = model.graph
    if len(graph.node) > MAX_NODES:
        raise InvalidInputError(f"{path.name} has {len(graph.node)} nodes, expected <= {MAX_NODES}")
    opset = max((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), default=0)
    if opset < MIN_OPSET:
        raise InvalidInputError(f"{path.name} is of opset {opset}, expected >= {MIN_OPSET}")
    constants = {
        init.name: to_array(init, f"tensor {init.name!r:.80}") for init in graph.initializer
    }
    inputs = [value for value in graph.input if value.name not in constants]
    if len(inputs) != 1 or len(graph.output) != 1:
        names = [value.name for value in inputs], [value.name for value in graph.output]
        raise InvalidInputError(
            f"{path.name} has inputs {names[0]!s:.200} and outputs {names[1]!s:.200}, "
            "expected one of each",
            hint="export the model with the other inputs fixed, and one output",
        )
    shape, is_tokens = _input_type(inputs[0])
    nodes = tuple(_node(node) for node in graph.node)
    return OnnxGraph(
        inputs[0].name, shape, is_tokens, graph.output[0].name, constants, nodes, opset
    )


def to_array(tensor: Any, what: str) -> NDArray[Any]:
    """A tensor of the file as float64, int64 or bool.

    Raises:
        InvalidInputError: External data, another type, a size that does not fit, or not finite.
    """
    from onnx import TensorProto, numpy_helper

    if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
        raise InvalidInputError(
            f"{what} lies outside the ONNX file, expected one file that holds its weights",
            hint="onnx.save(onnx.load(FILE), NEW)",
        )
    try:
        array = np.asarray(numpy_helper.to_array(tensor))
        if array.dtype.kind in "iu":
            return array.astype(np.int64)
        if array.dtype.kind == "b":
            return array
        values = array.astype(np.float64)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InvalidInputError(
            f"{what} of shape {list(tensor.dims)!s:.80}: {error!s:.120}"
        ) from None
    if not np.isfinite(values).all():
        raise InvalidInputError(f"{what} holds a value that is not finite, expected finite weights")
    return values


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
    except (DecodeError, onnx.checker.ValidationError, ValueError, UnicodeDecodeError) as error:
        reason = next(iter(str(error).splitlines()), "")
        raise InvalidInputError(f"{path.name} is not a valid ONNX model: {reason:.200}") from None
    return model


def _input_type(value: Any) -> tuple[Shape, bool]:
    """(shape with a batch of 1, whether it is integers)."""
    from onnx import TensorProto

    kinds = {
        TensorProto.FLOAT: False, TensorProto.DOUBLE: False, TensorProto.FLOAT16: False,
        TensorProto.INT64: True, TensorProto.INT32: True,
    }  # fmt: skip
    tensor = value.type.tensor_type
    if tensor.elem_type not in kinds:
        raise InvalidInputError(f"input {value.name!r:.80} is neither float nor int tensor")
    shape = []
    for axis, side in enumerate(tensor.shape.dim):
        is_open = not side.HasField("dim_value") or side.dim_value < 1
        if is_open and axis:
            raise InvalidInputError(
                f"input {value.name!r:.80}: side {axis} ({side.dim_param!r:.40}) is not fixed",
                hint="export with a fixed shape; only the batch, side 0, may be open",
            )
        shape.append(1 if is_open else int(side.dim_value))
    if not 1 <= len(shape) <= MAX_SIDES + 1 or np.prod(shape, dtype=object) > MAX_ELEMENTS:
        raise InvalidInputError(f"input {value.name!r:.80} has shape {shape!s:.100}")
    return tuple(shape), kinds[tensor.elem_type]


def _node(node: Any) -> OnnxNode:
    from onnx import AttributeProto, helper

    name = node.name or next(iter(node.output), "")
    kind = node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}"
    attributes: dict[str, Any] = {}
    for attribute in node.attribute:
        if attribute.type == AttributeProto.TENSOR:
            attributes[attribute.name] = to_array(attribute.t, f"constant of node {name!r:.80}")
        elif attribute.type not in (AttributeProto.GRAPH, AttributeProto.GRAPHS):
            value = helper.get_attribute_value(attribute)
            attributes[attribute.name] = value.decode() if isinstance(value, bytes) else value
    return OnnxNode(kind, name, tuple(node.input), tuple(node.output), attributes)
