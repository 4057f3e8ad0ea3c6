"""ONNX nodes with constant weights: Gemm, MatMul, Conv, normalisations, sums and products."""

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joynet_sdk.qmodel.floats import Clamped, Convolution, Floats, Linear, Normalised, Product, Sum
from joynet_sdk.qmodel.onnx_file import OnnxNode
from joynet_sdk.qmodel.onnx_values import Builder, Value, rows, stripped, transposed
from joynet_sdk.qmodel.ops import Pads, Pair, Shape

MAX_DIAGONAL = 1024  # widest last axis that a separate scale per value is made for


def linear(builder: Builder, value: Value, weight: Floats, bias: Floats, source: OnnxNode) -> Value:
    """x W^T + b over the last axis; weight (m, n)."""
    name, factor = builder.tensor(value, rows(value.shape), source, signed=True)
    shape = (*rows(value.shape)[:-1], len(weight))
    node = Linear(builder.name("gemm"), name, weight * factor, bias)
    builder.emit(node, shape, source)
    return Value.of(node.name, (*value.shape[:-1], len(weight)))


def gemm(builder: Builder, node: OnnxNode) -> Value:
    """alpha A B + beta C."""
    value, weight, bias = builder.value(node), builder.array(node, 1), builder.array(node, 2)
    if node.attributes.get("transA", 0):
        value = transposed(builder, value, (1, 0), node)
    if weight is None or weight.ndim != 2:
        raise node.bad("weights that are no matrix", "a constant matrix")
    matrix = weight.astype(np.float64) * float(node.attributes.get("alpha", 1.0))
    if not node.attributes.get("transB", 0):
        matrix = matrix.T
    if matrix.shape[1] != value.shape[-1]:
        raise node.bad(f"weights {list(matrix.shape)}", f"(out, {value.shape[-1]})")
    if bias is not None:
        bias = bias.astype(np.float64) * float(node.attributes.get("beta", 1.0))
    if bias is None or bias.ndim < 2 or bias.shape[0] == 1:
        flat = np.zeros(1) if bias is None else bias.reshape(-1)
        return linear(builder, value, matrix, _broadcast(flat, len(matrix), node), node)
    made = linear(builder, value, matrix, np.zeros(len(matrix)), node)
    return add_constant(builder, made, bias, node)


def matmul(builder: Builder, node: OnnxNode) -> Value:
    """A product with a constant on the right, or of two computed tensors."""
    value = builder.value(node)
    if isinstance(builder.known[node.inputs[1]], Value):
        return _product(builder, value, builder.value(node, 1), node)
    weight = builder.array(node, 1)
    if weight is not None and weight.ndim > 2 and prod(weight.shape[:-2]) == 1:
        weight = weight.reshape(weight.shape[-2:])
    if weight is None or weight.ndim != 2 or weight.shape[0] != value.shape[-1]:
        raise node.bad("weights that do not fit", f"a constant of shape ({value.shape[-1]}, out)")
    matrix = weight.astype(np.float64).T
    return linear(builder, value, matrix, np.zeros(len(matrix)), node)


def _product(builder: Builder, left: Value, right: Value, node: OnnxNode) -> Value:
    batch = stripped(left.shape[:-2]) if prod(left.shape[:-2]) > 1 else ()
    other = stripped(right.shape[:-2]) if prod(right.shape[:-2]) > 1 else ()
    sides = f"shapes {list(left.shape)} and {list(right.shape)}"
    if min(len(left.shape), len(right.shape)) < 2 or batch != other:
        raise node.bad(sides, "equal sides before the last two")
    if left.shape[-1] != right.shape[-2]:
        raise node.bad(sides, "one inner side")
    swapped = (*range(len(right.shape) - 2), len(right.shape) - 1, len(right.shape) - 2)
    turned = transposed(builder, right, swapped, node)
    is_turned = _keeps_rows(turned) and not _keeps_rows(right)
    used = turned if is_turned else right
    left_name, first = builder.tensor(left, (*batch, *left.shape[-2:]), node)
    right_name, second = builder.tensor(used, (*batch, *used.shape[-2:]), node)
    shape = (*batch, left.shape[-2], right.shape[-1])
    made = Product(builder.name("matmul"), left_name, right_name, is_turned, first * second)
    builder.emit(made, shape, node)
    longer = left if len(left.shape) >= len(right.shape) else right
    return Value.of(made.name, (*longer.shape[:-2], *shape[-2:]))


def _keeps_rows(value: Value) -> bool:
    """Whether the last axis runs through neighbours of `base`."""
    return value.perm[-1] == len(value.perm) - 1


def conv(builder: Builder, node: OnnxNode) -> Value:
    """1-D and 2-D convolutions."""
    value, weight, bias = builder.value(node), builder.array(node, 1), builder.array(node, 2)
    if weight is None or weight.ndim != len(value.shape) or weight.ndim not in (3, 4):
        raise node.bad("weights that do not fit", "a 1-D or 2-D convolution")
    if set(node.attributes.get("dilations", [1])) != {1}:
        raise node.bad(f"dilations {node.attributes['dilations']}", "1")
    kernel = as_2d(weight.shape[2:], 1)
    shape, strides, pads = window(node, value, kernel)
    flat = np.zeros(1) if bias is None else bias.astype(np.float64).reshape(-1)
    name, factor = builder.tensor(value, shape, node, signed=True)
    bent = factor * weight.astype(np.float64).reshape(*weight.shape[:2], *kernel)
    offsets, groups = _broadcast(flat, len(weight), node), int(node.attributes.get("group", 1))
    made = Convolution(builder.name("conv"), name, bent, offsets, strides, pads, groups)
    if made.groups < 1 or weight.shape[1] * made.groups != shape[0] or len(weight) % made.groups:
        raise node.bad(f"weights {list(weight.shape)}, {made.groups} groups", f"{shape[0]} inputs")
    out = window_shape(node, shape, kernel, strides, pads)
    builder.emit(made, (len(weight), *out), node)
    return Value.of(made.name, (1, len(weight), *(out if weight.ndim == 4 else out[1:])))


# --- windows ------------------------------------------------------------------------------------


def as_2d(sides: Sequence[int], missing: int) -> Pair:
    """(y, x) of one or two sides; a 1-D window has `missing` for y."""
    return (missing, int(sides[0])) if len(sides) == 1 else (int(sides[0]), int(sides[1]))


def window(node: OnnxNode, value: Value, kernel: Pair) -> tuple[Shape, Pair, Pads]:
    """(input shape, strides, pads) of a convolution or pool."""
    if len(value.shape) not in (3, 4) or value.shape[0] != 1:
        raise node.bad(f"input {list(value.shape)}", "(1, channels, length) or (1, c, h, w)")
    size = as_2d(value.shape[2:], 1)
    flat = len(value.shape) == 3
    strides = as_2d(node.attributes.get("strides", [1] * (len(value.shape) - 2)), 1)
    given = [int(pad) for pad in node.attributes.get("pads", [0] * (2 * (len(value.shape) - 2)))]
    pads: Pads = (0, given[0], 0, given[1]) if flat else (given[0], given[1], given[2], given[3])
    auto = node.attributes.get("auto_pad", "NOTSET")
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        pads = _same_pads(size, kernel, strides, auto == "SAME_UPPER")
    elif auto not in ("NOTSET", "VALID", ""):
        raise node.bad(f"auto_pad {auto!r:.40}", "NOTSET, VALID or SAME_*")
    if node.attributes.get("ceil_mode", 0):
        raise node.bad("ceil_mode 1", "0")
    return (value.shape[1], *size), strides, pads


def _same_pads(size: Pair, kernel: Pair, strides: Pair, upper: bool) -> Pads:
    before, after = [], []
    for side, width, stride in zip(size, kernel, strides, strict=True):
        total = max(0, (-(-side // stride) - 1) * stride + width - side)
        before.append(total // 2 if upper else total - total // 2)
        after.append(total - before[-1])
    return before[0], before[1], after[0], after[1]


def window_shape(node: OnnxNode, shape: Shape, kernel: Pair, strides: Pair, pads: Pads) -> Pair:
    """(oh, ow)."""
    sides = []
    for axis in (0, 1):
        before, after, width = pads[axis], pads[axis + 2], kernel[axis]
        if not (0 <= before < width and 0 <= after < width) or strides[axis] < 1:
            raise node.bad(
                f"kernel {list(kernel)}, pads {list(pads)}, strides {list(strides)}",
                "pads below the kernel and strides >= 1",
            )
        sides.append((shape[axis + 1] + before + after - width) // strides[axis] + 1)
    if min(sides) < 1:
        raise node.bad(f"input {list(shape)}", f"at least the kernel {list(kernel)}")
    return sides[0], sides[1]


# --- normalisation ------------------------------------------------------------------------------


def batchnorm(builder: Builder, node: OnnxNode) -> Value:
    """Scale and shift each channel, axis 1."""
    arrays = [builder.array(node, index) for index in range(1, 5)]
    scale, shift, mean, variance = (np.zeros(1) if a is None else a.astype(float) for a in arrays)
    value = builder.value(node)
    slope = scale / np.sqrt(variance + float(node.attributes.get("epsilon", 1e-5)))
    sides = (-1,) + (1,) * (len(value.shape) - 2)
    scaled = multiply_constant(builder, value, slope.reshape(sides), node)
    return add_constant(builder, scaled, (shift - mean * slope).reshape(sides), node)


def layernorm(builder: Builder, node: OnnxNode) -> Value:
    """Over the last axis."""
    value, scale, shift = builder.value(node), builder.array(node, 1), builder.array(node, 2)
    side = value.shape[-1]
    if int(node.attributes.get("axis", -1)) not in (-1, len(value.shape) - 1):
        raise node.bad(f"axis {node.attributes['axis']}", "the last one")
    gamma = np.ones(1) if scale is None else scale.astype(np.float64).reshape(-1)
    beta = np.zeros(1) if shift is None else shift.astype(np.float64).reshape(-1)
    name, factor = builder.tensor(value, rows(value.shape), node, signed=True)
    epsilon = float(node.attributes.get("epsilon", 1e-5)) / factor**2
    gamma, beta = _broadcast(gamma * np.sign(factor), side, node), _broadcast(beta, side, node)
    made = Normalised(builder.name("layernorm"), name, gamma, beta, epsilon)
    builder.emit(made, rows(value.shape), node)
    return Value.of(made.name, value.shape)


# --- sums and products --------------------------------------------------------------------------


def add(builder: Builder, node: OnnxNode) -> Value:
    """Add."""
    return _sum(builder, node, 1.0)


def subtract(builder: Builder, node: OnnxNode) -> Value:
    """Sub."""
    return _sum(builder, node, -1.0)


def _sum(builder: Builder, node: OnnxNode, sign: float) -> Value:
    left, right = (builder.known[name] for name in node.inputs)
    if not isinstance(right, Value):
        return add_constant(builder, builder.value(node), sign * right.astype(np.float64), node)
    second = _scaled(builder.value(node, 1), sign)
    if not isinstance(left, Value):
        return add_constant(builder, second, left.astype(np.float64), node)
    first = builder.value(node)
    if first.looks_like(second) and (first.function or second.function):
        f, g = first.whole, second.whole
        return replace(first, factor=1.0, function=lambda x: f(x) + g(x))
    shape = np.broadcast_shapes(first.shape, second.shape)
    if not prod(shape) == prod(first.shape) == prod(second.shape):
        raise node.bad(
            f"shapes {list(first.shape)} and {list(second.shape)}", "one shape, or a constant"
        )
    first = replace(first, shape=shape)
    return _add_tensors(builder, first, second, node)


def _add_tensors(builder: Builder, first: Value, second: Value, node: OnnxNode) -> Value:
    plain = builder.plain(first, node)
    shape = builder.shapes[plain.base]
    left, left_factor = builder.tensor(plain, shape, node)
    right, right_factor = builder.tensor(second, shape, node)
    made = Sum(builder.name("add"), left, right, left_factor, right_factor)
    builder.emit(made, shape, node)
    return Value.of(made.name, first.shape)


def add_constant(builder: Builder, value: Value, constant: Floats, node: OnnxNode) -> Value:
    """Into the bias of what made the value, or a table, or a constant tensor."""
    _check_broadcast(value, constant, node)
    owner, vector = builder.owner(value), channels(builder, value, constant)
    if not constant.any():
        return value
    if isinstance(owner, Linear | Convolution | Normalised) and vector is not None:
        builder.nodes[owner.name] = replace(owner, bias=owner.bias + vector / value.factor)
        return value
    if constant.size == 1:
        offset = float(constant.reshape(-1)[0])
        return value.then(lambda x: x + offset)
    full = np.broadcast_to(constant, value.shape)
    name = builder.constant(np.ascontiguousarray(full.reshape(stripped(value.shape))))
    return _add_tensors(builder, value, Value.of(name, value.shape), node)


def multiply(builder: Builder, node: OnnxNode) -> Value:
    """Mul by a constant, or of two functions of one tensor."""
    left, right = (builder.known[name] for name in node.inputs)
    if not isinstance(right, Value):
        return multiply_constant(builder, builder.value(node), right.astype(np.float64), node)
    if not isinstance(left, Value):
        return multiply_constant(builder, builder.value(node, 1), left.astype(np.float64), node)
    first, second = builder.value(node), builder.value(node, 1)
    if not first.looks_like(second):
        raise node.bad(
            f"a product of two tensors, {node.inputs[0]!r:.60} and {node.inputs[1]!r:.60}",
            "a constant, or two functions of one tensor",
        )
    f, g = first.whole, second.whole
    return replace(first, factor=1.0, function=lambda x: f(x) * g(x))


def divide(builder: Builder, node: OnnxNode) -> Value:
    """Div by a constant."""
    divisor = builder.array(node, 1)
    if divisor is None or not divisor.all():
        raise node.bad("a division by zero", "a constant other than 0")
    return multiply_constant(builder, builder.value(node), 1.0 / divisor.astype(np.float64), node)


def multiply_constant(builder: Builder, value: Value, constant: Floats, node: OnnxNode) -> Value:
    """A factor, or into the weights of what made the value, or weights of its own."""
    _check_broadcast(value, constant, node)
    if constant.size == 1 or np.ptp(constant) == 0:
        factor = float(constant.reshape(-1)[0])
        return _scaled(value, factor) if factor else value.then(lambda x: 0.0 * x)
    owner, vector = builder.owner(value), channels(builder, value, constant)
    if isinstance(owner, Linear | Convolution | Normalised) and vector is not None:
        sides = (-1,) + (1,) * (owner.weight.ndim - 1)
        weight = owner.weight * vector.reshape(sides)
        builder.nodes[owner.name] = replace(owner, weight=weight, bias=owner.bias * vector)
        return value
    aligned = constant.reshape((1,) * (len(value.shape) - constant.ndim) + constant.shape)
    if aligned.shape[-1] == aligned.size == value.shape[-1] <= MAX_DIAGONAL:
        diagonal = np.diag(aligned.reshape(-1))
        return linear(builder, value, diagonal, np.zeros(len(diagonal)), node)
    if len(value.shape) in (3, 4) and aligned.shape[1] == aligned.size == value.shape[1]:
        return _depthwise(builder, value, aligned.reshape(-1), node)
    raise node.bad(
        f"a constant of shape {list(constant.shape)}", "one number, or one for each channel"
    )


def _depthwise(builder: Builder, value: Value, vector: Floats, node: OnnxNode) -> Value:
    size = len(vector)
    shape = (size, *as_2d(value.shape[2:], 1))
    name, factor = builder.tensor(value, shape, node, signed=True)
    weight = factor * vector.reshape(size, 1, 1, 1)
    made = Convolution(
        builder.name("conv"), name, weight, np.zeros(size), (1, 1), (0, 0, 0, 0), size
    )
    builder.emit(made, shape, node)
    return Value.of(made.name, value.shape)


def channels(builder: Builder, value: Value, constant: NDArray[Any]) -> Floats | None:
    """A constant as one number for each output channel of the node that made a value."""
    node = builder.nodes.get(value.base)
    if not isinstance(node, Clamped) or not value.is_plain:
        return None
    aligned = constant.reshape((1,) * (len(value.shape) - constant.ndim) + constant.shape)
    if isinstance(node, Convolution):
        axis, count = 1, len(node.weight)
    elif isinstance(node, Linear | Normalised):
        axis, count = len(value.shape) - 1, len(node.bias)
    else:
        return None
    if axis >= len(value.shape) or value.shape[axis] != count:
        return None
    if isinstance(node, Convolution) and value.shape[0] != 1:
        return None
    if aligned.shape[axis] != aligned.size:
        return None
    return np.broadcast_to(aligned.reshape(-1).astype(np.float64), (count,))


def _scaled(value: Value, factor: float) -> Value:
    if value.function is not None:
        return value.then(lambda x: factor * x)
    return replace(value, factor=value.factor * factor)


def _check_broadcast(value: Value, constant: NDArray[Any], node: OnnxNode) -> None:
    try:
        fits = np.broadcast_shapes(value.shape, constant.shape) == value.shape
    except ValueError:
        fits = False
    if not fits:
        raise node.bad(f"a constant {list(constant.shape)}", f"one that fits {list(value.shape)}")


def _broadcast(values: Floats, count: int, node: OnnxNode) -> Floats:
    if values.shape not in ((1,), (count,)):
        raise node.bad(f"{values.size} values", f"{count}")
    return np.broadcast_to(values, (count,)).copy()
