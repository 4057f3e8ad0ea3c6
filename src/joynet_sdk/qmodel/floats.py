"""The float graph between ONNX and a QModel: one node for each op to be, and how it runs.

Tensors are float64 with a leading batch axis; shapes leave it out, as in a QModel. `maxpool`,
`view`, `gather` and `embed` have no numbers of their own: the QModel's classes serve here too.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joynet_sdk.qmodel.ops import Embed, Gather, MaxPool, Pads, Pair, Shape, View

Floats = NDArray[np.float64]
Function = Callable[[Floats], Floats]


@dataclass(frozen=True, slots=True, eq=False)
class Linear:
    """x W^T + b over the last axis, then max(., 0) when `relu`, then min(., ceiling)."""

    name: str
    input: str
    weight: Floats
    bias: Floats
    relu: bool = False
    ceiling: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Convolution:
    """(c, h, w) -> (m, oh, ow)."""

    name: str
    input: str
    weight: Floats
    bias: Floats
    strides: Pair
    pads: Pads
    groups: int
    relu: bool = False
    ceiling: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Product:
    """factor * left @ right (its last two axes swapped when `transposed`)."""

    name: str
    left: str
    right: str
    transposed: bool
    factor: float
    relu: bool = False
    ceiling: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Sum:
    """left_factor * left + right_factor * right; both factors are positive."""

    name: str
    left: str
    right: str
    left_factor: float
    right_factor: float
    relu: bool = False
    ceiling: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Pointwise:
    """function(x) of each value."""

    name: str
    input: str
    function: Function


@dataclass(frozen=True, slots=True, eq=False)
class Average:
    """Mean of each window, pads counted as zeros."""

    name: str
    input: str
    kernel: Pair
    strides: Pair
    pads: Pads
    relu: bool = False
    ceiling: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Softmaxed:
    """softmax(factor * x) over the last axis."""

    name: str
    input: str
    factor: float


@dataclass(frozen=True, slots=True, eq=False)
class Normalised:
    """gamma * (x - mean) / sqrt(variance + epsilon) + beta over the last axis."""

    name: str
    input: str
    weight: Floats
    bias: Floats
    epsilon: float
    relu: bool = False
    ceiling: float | None = None


Clamped = Linear | Convolution | Product | Sum | Average | Normalised  # may end in a relu
Node = Clamped | Pointwise | Softmaxed | MaxPool | View | Gather | Embed


@dataclass(slots=True)
class FloatGraph:
    """What an importer hands over.

    Attributes:
        input: Name of the input tensor.
        input_shape: Without the batch.
        vocab: Ids are below it when the input is token ids; 0 for a float input.
        nodes: In topological order.
        output: Name of the output tensor: the last node's.
        output_factor: The graph's real output is this times that tensor; positive.
        constants: Tensors that nodes read by name.
        labels: What the source calls the node that each of `nodes` came from.
    """

    input: str
    input_shape: Shape
    vocab: int
    nodes: list[Node]
    output: str
    output_factor: float = 1.0
    constants: dict[str, Floats] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)


def inputs_of(node: Node) -> tuple[str, ...]:
    """Names of the tensors that a node reads."""
    if isinstance(node, Product | Sum):
        return node.left, node.right
    if isinstance(node, Embed):
        return node.input, node.constant
    return (node.input,)


def run(graph: FloatGraph, inputs: NDArray[Any]) -> Floats:
    """(batch, input_size) real inputs or ids -> (batch, output_size)."""
    tensors = sources(graph, inputs)
    last_use = {name: node.name for node in graph.nodes for name in inputs_of(node)}
    for node in graph.nodes:
        tensors[node.name] = apply(node, tensors)
        for name in set(inputs_of(node)):
            if last_use[name] == node.name:
                del tensors[name]
    return tensors[graph.output].reshape(len(inputs), -1) * graph.output_factor


def sources(graph: FloatGraph, inputs: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """The tensors that no node makes."""
    values = inputs.reshape(len(inputs), *graph.input_shape)
    source = values.astype(np.int64 if graph.vocab else np.float64)
    constants = {name: value[None] for name, value in graph.constants.items()}
    return {graph.input: source, **constants}


def apply(node: Node, tensors: Mapping[str, NDArray[Any]]) -> Floats:
    """One node on a batch."""
    values = before_relu(node, tensors)
    if isinstance(node, Clamped) and node.relu:
        values = np.maximum(values, 0.0)
    if isinstance(node, Clamped) and node.ceiling is not None:
        values = np.minimum(values, node.ceiling)
    return values


def before_relu(node: Node, tensors: Mapping[str, NDArray[Any]]) -> Floats:
    """One node on a batch, without its relu."""
    return _KERNELS[type(node)](node, *(tensors[name] for name in inputs_of(node)))


def _linear(node: Linear, x: Floats) -> Floats:
    rows: Floats = x.reshape(-1, x.shape[-1]) @ node.weight.T + node.bias
    return rows.reshape(*x.shape[:-1], -1)


def _windows(x: Floats, kernel: Pair, strides: Pair, pads: Pads, outside: float) -> Floats:
    top, left, bottom, right = pads
    sides = ((0, 0), (0, 0), (top, bottom), (left, right))
    slide: Any = np.lib.stride_tricks.sliding_window_view  # its stub knows one axis only
    every: Floats = slide(np.pad(x, sides, constant_values=outside), kernel, axis=(2, 3))
    return every[:, :, :: strides[0], :: strides[1]]


def _convolution(node: Convolution, x: Floats) -> Floats:
    kernel = node.weight.shape[2], node.weight.shape[3]
    seen = _windows(x, kernel, node.strides, node.pads, 0.0)
    batch, channels, height, width = seen.shape[:4]
    per_group, outputs = channels // node.groups, len(node.weight) // node.groups
    parts = []
    for group in range(node.groups):
        own = seen[:, group * per_group : (group + 1) * per_group]
        columns = own.transpose(0, 2, 3, 1, 4, 5).reshape(batch * height * width, -1)
        weight = node.weight[group * outputs : (group + 1) * outputs].reshape(outputs, -1)
        parts.append((columns @ weight.T).reshape(batch, height, width, outputs))
    stacked: Floats = np.concatenate(parts, axis=-1).transpose(0, 3, 1, 2)
    return stacked + node.bias[:, None, None]


def _product(node: Product, left: Floats, right: Floats) -> Floats:
    return node.factor * (left @ (right.swapaxes(-1, -2) if node.transposed else right))


def _sum(node: Sum, left: Floats, right: Floats) -> Floats:
    return node.left_factor * left + node.right_factor * right


def _pointwise(node: Pointwise, x: Floats) -> Floats:
    return node.function(x)


def _maxpool(node: MaxPool, x: Floats) -> Floats:
    seen = _windows(x, node.kernel, node.strides, node.pads, -np.inf)
    largest: Floats = seen.max(axis=(-2, -1))
    return largest


def _average(node: Average, x: Floats) -> Floats:
    seen = _windows(x, node.kernel, node.strides, node.pads, 0.0)
    mean: Floats = seen.sum(axis=(-2, -1)) / prod(node.kernel)
    return mean


def _softmaxed(node: Softmaxed, x: Floats) -> Floats:
    weights = np.exp(node.factor * (x - x.max(axis=-1, keepdims=True)))
    shares: Floats = weights / weights.sum(axis=-1, keepdims=True)
    return shares


def _normalised(node: Normalised, x: Floats) -> Floats:
    centred = x - x.mean(axis=-1, keepdims=True)
    deviation = np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + node.epsilon)
    normal: Floats = centred / deviation * node.weight + node.bias
    return normal


def _view(node: View, x: Floats) -> Floats:
    axes = (0, *(axis + 1 for axis in node.perm))
    return x.reshape(-1, *node.split).transpose(axes).reshape(-1, *node.shape)


def _gather(node: Gather, x: Floats) -> Floats:
    return x.take(node.indices.astype(np.int64), axis=node.axis + 1)


def _embed(node: Embed, ids: NDArray[np.int64], constant: Floats) -> Floats:
    found: Floats = constant[0][ids]
    return found


_KERNELS: dict[type[Node], Callable[..., Floats]] = {
    Linear: _linear, Convolution: _convolution, Product: _product, Sum: _sum,
    Pointwise: _pointwise, MaxPool: _maxpool, Average: _average, Softmaxed: _softmaxed,
    Normalised: _normalised, View: _view, Gather: _gather, Embed: _embed,
}  # fmt: skip
