"""ONNX to the float graph: fold constants, drop what nobody reads, translate node by node."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.qmodel import onnx_fold as fold
from joynet_sdk.qmodel import onnx_linear as linear
from joynet_sdk.qmodel import onnx_other as other
from joynet_sdk.qmodel.floats import FloatGraph, Node, inputs_of
from joynet_sdk.qmodel.onnx_file import OnnxGraph, OnnxNode, read_file
from joynet_sdk.qmodel.onnx_patterns import find_layernorms
from joynet_sdk.qmodel.onnx_values import Builder, Known, Value, stripped
from joynet_sdk.qmodel.ops import Embed, Shape

Handler = Callable[[Builder, OnnxNode], Known | list[Known]]

HANDLERS: dict[str, Handler] = {
    "Gemm": linear.gemm, "MatMul": linear.matmul, "Conv": linear.conv,
    "BatchNormalization": linear.batchnorm, "LayerNormalization": linear.layernorm,
    "Add": linear.add, "Sub": linear.subtract, "Mul": linear.multiply, "Div": linear.divide,
    "Relu": other.relu, "Clip": other.clip, "Gelu": other.gelu_node, "Pow": other.power,
    **dict.fromkeys(other.FUNCTIONS, other.function),
    **dict.fromkeys(("LeakyRelu", "Elu", "HardSigmoid"), other.parametric),
    "Softmax": other.softmax, "MaxPool": other.maxpool, "AveragePool": other.avgpool,
    "GlobalAveragePool": other.global_average, "ReduceMean": other.reduce_mean,
    **dict.fromkeys(("Identity", "Dropout", "Cast"), other.same), "Shape": other.shape_of,
    "Reshape": other.reshape, "Flatten": other.flatten, "Squeeze": other.squeeze,
    "Unsqueeze": other.unsqueeze, "Expand": other.expand, "Transpose": other.transpose,
    "Gather": other.gather, "Slice": other.slices, "Split": other.split,
}  # fmt: skip


def read_onnx(path: Path) -> FloatGraph:
    """Import an ONNX file.

    Raises:
        InvalidInputError: Not ONNX, or a node outside the set; the message names the node.
        MissingDependencyError: `onnx` is not installed.
    """
    graph = read_file(path)
    nodes = _live(find_layernorms(graph.nodes, graph.constants), graph.output)
    uses = Counter(name for node in nodes for name in node.inputs)
    uses[graph.output] += 1
    builder = Builder(uses, graph.opset)
    builder.known.update(graph.constants)
    source = Value.of("x", graph.input_shape)
    builder.shapes["x"] = _without_batch(graph.input_shape)
    builder.known[graph.input] = source
    ids: Ids | None = Ids(builder, graph.input) if graph.is_tokens else None
    for node in nodes:
        for name, value in zip(node.outputs, _translate(builder, node, ids), strict=False):
            builder.known[name] = value
    return _finish(builder, graph, ids, path.name)


def _without_batch(shape: Shape) -> Shape:
    return shape[1:] if len(shape) > 1 and shape[0] == 1 else shape


def _live(nodes: tuple[OnnxNode, ...], output: str) -> list[OnnxNode]:
    """Nodes that the output needs, in order."""
    needed, kept = {output}, []
    for node in reversed(nodes):
        if needed.intersection(node.outputs):
            needed.update(node.inputs)
            kept.append(node)
    return kept[::-1]


def _translate(builder: Builder, node: OnnxNode, ids: "Ids | None") -> list[Known]:
    missing = [name for name in node.inputs if name and name not in builder.known]
    if missing:
        raise node.bad(f"reads {missing!s:.100}", "tensors made before it")
    found = [builder.known[name] if name else None for name in node.inputs]
    if not any(isinstance(value, Value) for value in found):
        folded = fold.fold(node, [None if isinstance(v, Value) else v for v in found])
        if folded is not None:
            return list(folded)
    if ids is not None and ids.reads(node):
        return _listed(ids.translate(node))
    handler = HANDLERS.get(node.kind)
    if handler is None:
        raise InvalidInputError(
            f"{node} is not supported", hint=f"supported: {', '.join(sorted(HANDLERS))}"
        )
    try:
        made = handler(builder, node)
    except (ValueError, IndexError, TypeError, KeyError, OverflowError) as error:
        if isinstance(error, InvalidInputError):
            raise
        raise node.bad(f"{error!s:.120}", "attributes and shapes that fit together") from None
    return _listed(made)


def _listed(made: Known | list[Known]) -> list[Known]:
    return made if isinstance(made, list) else [made]


class Ids:
    """Token ids: they are cast, reshaped, and looked up in a constant."""

    def __init__(self, builder: Builder, name: str) -> None:
        self._builder, self._names = builder, {name}
        self.vocab = 1 << 16

    def reads(self, node: OnnxNode) -> bool:
        """Whether a node reads the ids, and not only their shape."""
        return bool(self._names.intersection(node.inputs)) and node.kind != "Shape"

    def translate(self, node: OnnxNode) -> Known | list[Known]:
        """Casts and reshapes stay ids; Gather from a constant is an embedding."""
        if node.kind in ("Cast", "Identity", "Squeeze", "Unsqueeze", "Reshape", "Flatten"):
            self._names.add(node.outputs[0])
            return HANDLERS[node.kind](self._builder, node)
        table = self._builder.known[node.inputs[0]]
        if node.kind != "Gather" or isinstance(table, Value) or table.ndim != 2:
            raise node.bad("token ids", "Gather from a constant matrix")
        if int(node.attributes.get("axis", 0)) != 0:
            raise node.bad("axis 1", "axis 0")
        return self._embed(node, table.astype(np.float64), self._builder.value(node, 1))

    def _embed(self, node: OnnxNode, table: NDArray[np.float64], ids: Value) -> Value:
        self.vocab = min(self.vocab, len(table))
        count, width = int(np.prod(ids.shape)), table.shape[1]
        constant = self._builder.constant(table[: 1 << 16])
        made = Embed(self._builder.name("embed"), ids.base, constant)
        self._builder.emit(made, (count, width), node)
        return Value.of(made.name, (*ids.shape, width))


def _finish(builder: Builder, graph: OnnxGraph, ids: Ids | None, file: str) -> FloatGraph:
    """The graph that ends in the output, without nodes that nobody reads."""
    made = builder.known.get(graph.output)
    if not isinstance(made, Value):
        raise InvalidInputError(f"{file}: the output does not depend on the input")
    end = OnnxNode("Identity", graph.output, (graph.output,), (), {})
    shape = builder.shapes[made.base] if made.is_plain else stripped(made.shape)
    output, factor = builder.tensor(made, shape, end)
    needed: set[str] = {output}
    kept: list[Node] = []
    for node in reversed(list(builder.nodes.values())):
        if node.name in needed:
            needed.update(inputs_of(node))
            kept.append(node)
    if not kept:
        raise InvalidInputError(f"{file} computes nothing, expected at least one node")
    shape = builder.shapes["x"]
    if ids is not None:
        shape = (int(np.prod(shape)),)
    return FloatGraph(
        "x", shape, ids.vocab if ids else 0, kept[::-1], output, factor,
        {name: value for name, value in builder.constants.items() if name in needed},
        {node.name: builder.labels[node.name] for node in kept},
    )  # fmt: skip
