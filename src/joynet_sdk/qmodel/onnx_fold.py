"""Constant folding: what an exporter computes from shapes, as NumPy, with a bound on every size."""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joynet_sdk.qmodel.onnx_file import OnnxNode
from joynet_sdk.qmodel.shapes import MAX_ELEMENTS

Array = NDArray[Any]
Fold = Callable[..., Array | list[Array]]


def fold(node: OnnxNode, inputs: Sequence[Array | None]) -> list[Array] | None:
    """Outputs of a node of constants, or None when it is no node that folds.

    Raises:
        InvalidInputError: The node is malformed, or its result would be too large.
    """
    rule = _RULES.get(node.kind)
    if rule is None:
        return None
    try:
        found = rule(node, *inputs)
    except (ValueError, IndexError, TypeError, KeyError, OverflowError, AttributeError) as error:
        raise node.bad(f"{error!s:.120}", "constants that fit together") from None
    outputs = found if isinstance(found, list) else [found]
    for output in outputs:
        _check_size(node, output.shape)
        if output.dtype.kind == "f" and not np.isfinite(output).all():
            raise node.bad("a constant is not finite", "finite constants")
    return outputs


def axes_of(node: OnnxNode, axes: Array | None) -> list[int] | None:
    """`axes` as an input (from opset 13) or as an attribute, None when left out."""
    given = node.attributes.get("axes") if axes is None else axes.reshape(-1).tolist()
    return None if given is None else [int(axis) for axis in given]


def reshaped(shape: Sequence[int], target: Sequence[int], allow_zero: bool) -> tuple[int, ...]:
    """ONNX Reshape: -1 is what is left, 0 copies the side unless `allow_zero`."""
    sides = [
        shape[axis] if side == 0 and not allow_zero else int(side)
        for axis, side in enumerate(target)
    ]
    if sides.count(-1) == 1:
        known = prod(side for side in sides if side != -1)
        sides[sides.index(-1)] = prod(shape) // known if known else 0
    if prod(sides) != prod(shape) or any(side < 0 for side in sides):
        raise ValueError(f"shape {list(shape)} does not reshape to {list(target)}")
    return tuple(sides)


def unsqueezed(shape: Sequence[int], axes: Sequence[int]) -> tuple[int, ...]:
    """`shape` with sides of 1 put in at `axes` of the result."""
    count = len(shape) + len(axes)
    places = {axis % max(1, count) for axis in axes}
    if len(places) != len(axes):
        raise ValueError(f"axes {list(axes)} repeat")
    sides = iter(shape)
    return tuple(1 if axis in places else next(sides) for axis in range(count))


def squeezed(shape: Sequence[int], axes: Sequence[int] | None) -> tuple[int, ...]:
    """`shape` without the sides `axes`, each of which is 1; without all 1s when None."""
    if axes is None:
        return tuple(side for side in shape if side != 1)
    places = {axis % max(1, len(shape)) for axis in axes}
    if any(shape[axis] != 1 for axis in places):
        raise ValueError(f"shape {list(shape)} has no sides of 1 at {list(axes)}")
    return tuple(side for axis, side in enumerate(shape) if axis not in places)


def split_sizes(node: OnnxNode, side: int, sizes: Array | None) -> list[int]:
    """Lengths of the parts of a Split."""
    given = node.attributes.get("split") if sizes is None else sizes.reshape(-1).tolist()
    if given is None:
        parts = len(node.outputs)
        size = -(-side // parts)
        given = [min(size, side - size * index) for index in range(parts)]
    if sum(given) != side or len(given) != len(node.outputs) or min(given) < 1:
        raise node.bad(f"parts {list(given)!s:.80}", f"parts that add up to {side}")
    return [int(part) for part in given]


def slice_indices(node: OnnxNode, shape: Sequence[int], *inputs: Array | None) -> list[range]:
    """What a Slice keeps along each axis."""
    given = [None if value is None else value.reshape(-1).tolist() for value in inputs]
    starts, ends, axes, steps = [*given, None, None, None, None][:4]
    starts = node.attributes.get("starts") if starts is None else starts
    ends = node.attributes.get("ends") if ends is None else ends
    axes = node.attributes.get("axes") if axes is None else axes
    if starts is None or ends is None:
        raise node.bad("no starts or ends", "both")
    kept = [range(side) for side in shape]
    for index, axis in enumerate(axes if axes is not None else range(len(starts))):
        step = 1 if steps is None else steps[index]
        kept[axis] = kept[axis][slice(starts[index], ends[index], step)]
    return kept


def _check_size(node: OnnxNode, shape: Sequence[int]) -> None:
    if prod(shape) > MAX_ELEMENTS:
        raise node.bad(f"a constant of shape {list(shape)!s:.80}", f"at most {MAX_ELEMENTS} values")


def _binary(function: Callable[[Array, Array], Array]) -> Fold:
    def rule(node: OnnxNode, left: Array, right: Array) -> Array:
        _check_size(node, np.broadcast_shapes(left.shape, right.shape))
        with np.errstate(all="ignore"):
            return np.asarray(function(left, right))

    return rule


def _unary(function: Callable[[Array], Array]) -> Fold:
    def rule(node: OnnxNode, x: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(function(x))

    return rule


def _divide(left: Array, right: Array) -> Array:
    if left.dtype.kind == "f" or right.dtype.kind == "f":
        return np.asarray(left / right)
    if not right.all():
        raise ValueError("division by zero")
    return np.asarray(np.trunc(left / right).astype(np.int64))


def _modulo(left: Array, right: Array) -> Array:
    if not right.all():
        raise ValueError("division by zero")
    return np.asarray(np.mod(left, right))


def _constant(node: OnnxNode) -> Array:
    for key, value in node.attributes.items():
        if key in ("value", "value_float", "value_int", "value_floats", "value_ints"):
            array = np.asarray(value)
            return array.astype(np.float64 if array.dtype.kind == "f" else array.dtype)
    raise node.bad(f"attributes {sorted(node.attributes)!s:.80}", "a numeric constant")


def _cast(node: OnnxNode, x: Array) -> Array:
    from onnx import TensorProto

    to = node.attributes["to"]
    if to in (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16):
        return x.astype(np.float64)
    return x.astype(np.bool_ if to == TensorProto.BOOL else np.int64)


def _gather(node: OnnxNode, x: Array, indices: Array) -> Array:
    axis = int(node.attributes.get("axis", 0))
    _check_size(node, (x.size // max(1, x.shape[axis]), indices.size))
    return x.take(indices, axis=axis)


def _concat(node: OnnxNode, *parts: Array) -> Array:
    _check_size(node, (sum(part.size for part in parts),))
    return np.concatenate(parts, axis=int(node.attributes.get("axis", 0)))


def _slice(node: OnnxNode, x: Array, *inputs: Array | None) -> Array:
    kept = slice_indices(node, x.shape, *inputs)
    return x[np.ix_(*kept)]


def _split(node: OnnxNode, x: Array, sizes: Array | None = None) -> list[Array]:
    axis = int(node.attributes.get("axis", 0))
    places = np.cumsum(split_sizes(node, x.shape[axis], sizes))[:-1]
    return list(np.split(x, places, axis=axis))


def _constant_of_shape(node: OnnxNode, shape: Array) -> Array:
    value = np.asarray(node.attributes.get("value", np.zeros(1))).reshape(-1)[0]
    _check_size(node, shape.tolist())
    return np.full(shape.tolist(), value)


def _expand(node: OnnxNode, x: Array, shape: Array) -> Array:
    sides = np.broadcast_shapes(x.shape, tuple(shape.tolist()))
    _check_size(node, sides)
    return np.broadcast_to(x, sides).copy()


def _range(node: OnnxNode, start: Array, limit: Array, delta: Array) -> Array:
    _check_size(node, (int(max(0.0, float((limit - start) / delta))),))
    return np.arange(start, limit, delta)


def _reshape(node: OnnxNode, x: Array, shape: Array | None = None) -> Array:
    target = node.attributes["shape"] if shape is None else shape.tolist()
    return x.reshape(reshaped(x.shape, target, bool(node.attributes.get("allowzero", 0))))


def _transpose(node: OnnxNode, x: Array) -> Array:
    return x.transpose(node.attributes.get("perm"))


def _unsqueeze(node: OnnxNode, x: Array, axes: Array | None = None) -> Array:
    return x.reshape(unsqueezed(x.shape, axes_of(node, axes) or []))


def _squeeze(node: OnnxNode, x: Array, axes: Array | None = None) -> Array:
    return x.reshape(squeezed(x.shape, axes_of(node, axes)))


def _same(node: OnnxNode, x: Array, *_: Array | None) -> Array:
    return x


def _shape(node: OnnxNode, x: Array) -> Array:
    return np.asarray(x.shape, np.int64)


_RULES: dict[str, Fold] = {
    "Add": _binary(np.add), "Sub": _binary(np.subtract), "Mul": _binary(np.multiply),
    "Div": _binary(_divide), "Mod": _binary(_modulo), "Pow": _binary(np.power),
    "Equal": _binary(np.equal), "Sqrt": _unary(np.sqrt), "Neg": _unary(np.negative),
    "Floor": _unary(np.floor), "Ceil": _unary(np.ceil), "Exp": _unary(np.exp),
    "Constant": _constant, "Cast": _cast, "Gather": _gather, "Concat": _concat, "Slice": _slice,
    "Split": _split, "ConstantOfShape": _constant_of_shape, "Expand": _expand, "Range": _range,
    "Reshape": _reshape, "Transpose": _transpose, "Unsqueeze": _unsqueeze, "Squeeze": _squeeze,
    "Identity": _same, "Dropout": _same, "Shape": _shape,
}  # fmt: skip
