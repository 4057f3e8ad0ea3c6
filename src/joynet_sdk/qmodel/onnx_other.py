"""ONNX nodes without weights: activations, pools, softmax, and everything that moves values."""

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joynet_sdk.qmodel import onnx_fold
from joynet_sdk.qmodel.floats import Average, Floats, Function, Linear, Softmaxed
from joynet_sdk.qmodel.onnx_file import OnnxNode
from joynet_sdk.qmodel.onnx_linear import as_2d, window, window_shape
from joynet_sdk.qmodel.onnx_values import Builder, Known, Value, aligned, rows, transposed
from joynet_sdk.qmodel.ops import Gather, MaxPool, Shape


def erf(x: Floats) -> Floats:
    """Abramowitz and Stegun 7.1.26: within 1.5e-7, far below a step of a table."""
    t = 1.0 / (1.0 + 0.3275911 * np.abs(x))
    series = 0.254829592 + t * (
        -0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))
    )
    found: Floats = np.sign(x) * (1.0 - t * series * np.exp(-x * x))
    return found


def sigmoid(x: Floats) -> Floats:
    """1 / (1 + exp(-x)), without overflow."""
    found: Floats = 0.5 * (1.0 + np.tanh(0.5 * x))
    return found


def gelu(x: Floats) -> Floats:
    """x * Phi(x)."""
    return 0.5 * x * (1.0 + erf(x / np.sqrt(2.0)))


def gelu_tanh(x: Floats) -> Floats:
    """Hendrycks and Gimpel 2016, the tanh approximation."""
    found: Floats = 0.5 * x * (1.0 + np.tanh(np.sqrt(2.0 / np.pi) * (x + 0.044715 * x**3)))
    return found


FUNCTIONS: dict[str, Function] = {
    "Erf": erf, "Tanh": np.tanh, "Sigmoid": sigmoid, "Neg": np.negative, "Abs": np.abs,
    "HardSwish": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
}  # fmt: skip


def function(builder: Builder, node: OnnxNode) -> Value:
    """An elementwise function without parameters."""
    return builder.value(node).then(FUNCTIONS[node.kind])


def gelu_node(builder: Builder, node: OnnxNode) -> Value:
    """Gelu, exact or by tanh."""
    is_tanh = node.attributes.get("approximate", "none") == "tanh"
    return builder.value(node).then(gelu_tanh if is_tanh else gelu)


def parametric(builder: Builder, node: OnnxNode) -> Value:
    """LeakyRelu, Elu and HardSigmoid."""
    alpha = float(node.attributes.get("alpha", {"LeakyRelu": 0.01, "Elu": 1.0}.get(node.kind, 0.2)))
    beta = float(node.attributes.get("beta", 0.5))
    shapes: dict[str, Function] = {
        "LeakyRelu": lambda x: np.where(x < 0, alpha * x, x),
        "Elu": lambda x: np.where(x < 0, alpha * np.expm1(np.minimum(x, 0)), x),
        "HardSigmoid": lambda x: np.clip(alpha * x + beta, 0, 1),
    }
    return builder.value(node).then(shapes[node.kind])


def power(builder: Builder, node: OnnxNode) -> Value:
    """Pow by a constant integer."""
    exponent = builder.array(node, 1)
    if exponent is None or exponent.size != 1 or float(exponent.reshape(-1)[0]) not in (1, 2, 3, 4):
        raise node.bad("this exponent", "a constant 1, 2, 3 or 4")
    degree = int(exponent.reshape(-1)[0])
    return builder.value(node).then(lambda x: x**degree)


def relu(builder: Builder, node: OnnxNode) -> Value:
    """Into what made the value, else a table."""
    return _clipped(builder, builder.value(node), 0.0, None)


def clip(builder: Builder, node: OnnxNode) -> Value:
    """Clip; from 0 up it is a relu with a ceiling."""
    ends = [node.attributes.get("min"), node.attributes.get("max")]
    for index in (0, 1):
        given = builder.array(node, index + 1)
        if given is not None:
            ends[index] = float(given.reshape(-1)[0])
    value = builder.value(node)
    if ends[0] == 0 and (ends[1] is None or ends[1] > 0):
        return _clipped(builder, value, 0.0, ends[1])
    low = -np.inf if ends[0] is None else ends[0]
    high = np.inf if ends[1] is None else ends[1]
    return value.then(lambda x: np.clip(x, low, high))


def _clipped(builder: Builder, value: Value, low: float, high: float | None) -> Value:
    owner = builder.owner(value)
    if owner is not None and value.factor > 0:
        ceiling = None if high is None else high / value.factor
        builder.nodes[owner.name] = replace(owner, relu=True, ceiling=ceiling)
        return value
    return value.then(lambda x: np.clip(x, low, high))


def softmax(builder: Builder, node: OnnxNode) -> Value:
    """Over the last axis."""
    value = builder.value(node)
    axis = int(node.attributes.get("axis", -1 if builder.opset >= 13 else 1))
    if prod(value.shape[axis % len(value.shape) :]) != value.shape[-1]:
        raise node.bad(f"axis {axis} of {list(value.shape)}", "the last axis")
    name, factor = builder.tensor(value, rows(value.shape), node)
    made = Softmaxed(builder.name("softmax"), name, factor)
    builder.emit(made, rows(value.shape), node)
    return Value.of(made.name, value.shape)


# --- pools --------------------------------------------------------------------------------------


def maxpool(builder: Builder, node: OnnxNode) -> Value:
    """1-D and 2-D."""
    if set(node.attributes.get("dilations", [1])) != {1} or len(node.outputs) > 1:
        raise node.bad("dilations or indices", "a plain pool")
    value = builder.value(node)
    kernel = as_2d(node.attributes["kernel_shape"], 1)
    shape, strides, pads = window(node, value, kernel)
    out = window_shape(node, shape, kernel, strides, pads)
    name, factor = builder.tensor(value, shape, node)
    made = MaxPool(builder.name("maxpool"), name, kernel, strides, pads)
    builder.emit(made, (shape[0], *out), node)
    onnx_shape = (1, shape[0], *(out if len(value.shape) == 4 else out[1:]))
    return Value.of(made.name, onnx_shape, factor)


def avgpool(builder: Builder, node: OnnxNode) -> Value:
    """1-D and 2-D; pads count as zeros."""
    value = builder.value(node)
    kernel = as_2d(node.attributes["kernel_shape"], 1)
    shape, strides, pads = window(node, value, kernel)
    if any(pads) and not node.attributes.get("count_include_pad", 0):
        raise node.bad("pads that do not count", "count_include_pad 1, or no pads")
    out = window_shape(node, shape, kernel, strides, pads)
    name, factor = builder.tensor(value, shape, node)
    made = Average(builder.name("avgpool"), name, kernel, strides, pads)
    builder.emit(made, (shape[0], *out), node)
    onnx_shape = (1, shape[0], *(out if len(value.shape) == 4 else out[1:]))
    return Value.of(made.name, onnx_shape, factor)


def global_average(builder: Builder, node: OnnxNode) -> Value:
    """Mean over all sides after the channels."""
    value = builder.value(node)
    return _mean(builder, value, tuple(range(2, len(value.shape))), True, node)


def reduce_mean(builder: Builder, node: OnnxNode) -> Value:
    """Mean over neighbouring axes."""
    value = builder.value(node)
    axes = onnx_fold.axes_of(node, builder.array(node, 1)) or list(range(len(value.shape)))
    places = tuple(sorted({axis % len(value.shape) for axis in axes}))
    return _mean(builder, value, places, bool(node.attributes.get("keepdims", 1)), node)


def _mean(builder: Builder, value: Value, axes: Shape, keep: bool, node: OnnxNode) -> Value:
    """View the value as (before, middle, after), and average the middle."""
    sides = value.shape
    if axes != tuple(range(axes[0], axes[0] + len(axes))):
        raise node.bad(f"axes {list(axes)}", "neighbours")
    before, after = prod(sides[: axes[0]]), prod(sides[axes[-1] + 1 :])
    middle = prod(sides[axes[0] : axes[-1] + 1])
    shape, kernel = (before, middle, after), (middle, 1)
    if len(axes) == 2 and after == 1:  # an image, as it lies
        shape, kernel = (before, sides[axes[0]], sides[axes[1]]), (sides[axes[0]], sides[axes[1]])
    name, factor = builder.tensor(value, shape, node)
    made = Average(builder.name("avgpool"), name, kernel, (1, 1), (0, 0, 0, 0))
    builder.emit(made, (before, 1, after), node)
    kept = tuple(1 if axis in axes else side for axis, side in enumerate(sides))
    left = tuple(side for axis, side in enumerate(sides) if axis not in axes)
    return Value.of(made.name, kept if keep else left, factor)


# --- moving -------------------------------------------------------------------------------------


def same(builder: Builder, node: OnnxNode) -> Value:
    """Identity, Dropout and Cast to a float."""
    return builder.value(node)


def shape_of(builder: Builder, node: OnnxNode) -> NDArray[Any]:
    """A constant, since every shape is."""
    return np.asarray(builder.value(node).shape, np.int64)


def _reshaped(value: Value, shape: Sequence[int]) -> Value:
    return replace(value, shape=tuple(shape))


def reshape(builder: Builder, node: OnnxNode) -> Value:
    """Reshape."""
    value, given = builder.value(node), builder.array(node, 1)
    target = node.attributes.get("shape") if given is None else given.reshape(-1).tolist()
    if target is None:
        raise node.bad("no shape", "a constant shape")
    allow_zero = bool(node.attributes.get("allowzero", 0))
    return _reshaped(value, onnx_fold.reshaped(value.shape, target, allow_zero))


def flatten(builder: Builder, node: OnnxNode) -> Value:
    """Flatten."""
    value = builder.value(node)
    axis = int(node.attributes.get("axis", 1))
    axis = axis + len(value.shape) if axis < 0 else axis
    return _reshaped(value, (prod(value.shape[:axis]), prod(value.shape[axis:])))


def squeeze(builder: Builder, node: OnnxNode) -> Value:
    """Squeeze."""
    value = builder.value(node)
    axes = onnx_fold.axes_of(node, builder.array(node, 1))
    return _reshaped(value, onnx_fold.squeezed(value.shape, axes))


def unsqueeze(builder: Builder, node: OnnxNode) -> Value:
    """Unsqueeze."""
    value = builder.value(node)
    axes = onnx_fold.axes_of(node, builder.array(node, 1)) or []
    return _reshaped(value, onnx_fold.unsqueezed(value.shape, axes))


def expand(builder: Builder, node: OnnxNode) -> Value:
    """Expand that adds no values."""
    value, shape = builder.value(node), builder.array(node, 1)
    wanted = np.broadcast_shapes(value.shape, tuple([] if shape is None else shape.tolist()))
    if prod(wanted) != prod(value.shape):
        raise node.bad(f"{list(value.shape)} to {list(wanted)}", "no repeated values")
    return _reshaped(value, wanted)


def transpose(builder: Builder, node: OnnxNode) -> Value:
    """Transpose."""
    value = builder.value(node)
    perm = node.attributes.get("perm", list(range(len(value.shape)))[::-1])
    if sorted(perm) != list(range(len(value.shape))):
        raise node.bad(f"perm {list(perm)}", f"a permutation of {len(value.shape)} sides")
    return transposed(builder, value, perm, node)


def gather(builder: Builder, node: OnnxNode) -> Value:
    """Gather with constant indices."""
    value, indices = builder.value(node), builder.array(node, 1)
    axis = int(node.attributes.get("axis", 0)) % len(value.shape)
    if indices is None or indices.ndim > 1:
        raise node.bad("these indices", "a constant number or list")
    side = value.shape[axis]
    flat = [int(index) + (side if index < 0 else 0) for index in indices.reshape(-1)]
    if not flat or not all(0 <= index < side for index in flat):
        raise node.bad(f"indices {flat!s:.60}", f"0 to {side - 1}")
    taken = take(builder, value, axis, flat, node)
    if indices.ndim == 0:
        return _reshaped(taken, (*taken.shape[:axis], *taken.shape[axis + 1 :]))
    return taken


def slices(builder: Builder, node: OnnxNode) -> Value:
    """Slice with constant ends."""
    value = builder.value(node)
    given = [builder.array(node, index) for index in range(1, len(node.inputs))]
    kept = onnx_fold.slice_indices(node, value.shape, *given)
    for axis, indices in enumerate(kept):
        if not len(indices):
            raise node.bad(f"nothing left of axis {axis}", "at least one value")
        value = take(builder, value, axis, list(indices), node)
    return value


def split(builder: Builder, node: OnnxNode) -> list[Known]:
    """Split, as one gather for each part."""
    value = builder.value(node)
    axis = int(node.attributes.get("axis", 0)) % len(value.shape)
    sizes = onnx_fold.split_sizes(node, value.shape[axis], builder.array(node, 1))
    ends = np.cumsum(sizes).tolist()
    parts = [range(end - size, end) for end, size in zip(ends, sizes, strict=True)]
    return [take(builder, value, axis, list(part), node) for part in parts]


def take(builder: Builder, value: Value, axis: int, indices: list[int], node: OnnxNode) -> Value:
    """Some places of one axis; rows of a Linear are taken from its weights instead."""
    if indices == list(range(value.shape[axis])):
        return value
    if value.shape[axis] == 1:
        raise node.bad("a repeated value", "indices without repeats")
    value = aligned(builder, value, node)
    shape = (*value.shape[:axis], len(indices), *value.shape[axis + 1 :])
    at = value.perm[sum(side != 1 for side in value.shape[:axis])]
    base = _take_rows(builder, value, at, indices, node) or _take(builder, value, at, indices, node)
    sides = [len(indices) if i == at else side for i, side in enumerate(value.split)]
    return _with_sides(replace(value, base=base, shape=shape, is_only=True), sides)


def _with_sides(value: Value, sides: list[int]) -> Value:
    """`split` may have got a side of 1: leave it out of split and perm."""
    kept = [axis for axis, side in enumerate(sides) if side != 1] or [0]
    order = tuple(kept.index(axis) for axis in value.perm if axis in kept)
    return replace(value, split=tuple(sides[axis] for axis in kept), perm=order)


def _take(builder: Builder, value: Value, axis: int, indices: list[int], node: OnnxNode) -> str:
    """A gather on the base, as it lies."""
    base = Value.of(value.base, value.split)
    name, _ = builder.tensor(base, value.split, node)
    made = Gather(builder.name("gather"), name, axis, np.array(indices, np.uint32))
    shape = (*value.split[:axis], len(indices), *value.split[axis + 1 :])
    return builder.emit(made, shape, node)


def _take_rows(
    builder: Builder, value: Value, axis: int, indices: list[int], node: OnnxNode
) -> str | None:
    """A Linear with only the rows that are wanted, when they are all that `axis` picks from."""
    linear = builder.nodes.get(value.base)
    if not isinstance(linear, Linear) or linear.relu:
        return None
    outputs = len(linear.weight)
    first = len(value.split)
    while first > 0 and prod(value.split[first:]) < outputs:
        first -= 1
    if prod(value.split[first:]) != outputs or axis < first:
        return None
    order = np.arange(outputs).reshape(value.split[first:])
    kept = order.take(indices, axis=axis - first).reshape(-1)
    made = replace(
        linear, name=builder.name("gemm"), weight=linear.weight[kept], bias=linear.bias[kept]
    )
    return builder.emit(made, (*builder.shapes[linear.name][:-1], len(kept)), node)
