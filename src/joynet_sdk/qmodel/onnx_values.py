"""What an ONNX tensor stands for while a graph is read, and the float graph that grows.

Nothing moves until it must: reshapes, transpositions, scalar factors and elementwise functions stay
in a `Value` until an op needs plain numbers. Two functions of one tensor combine into one, which is
how x * 0.5 * (1 + erf(x / sqrt 2)) becomes a single table.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from joynet_sdk.qmodel.floats import Clamped, Floats, Function, Node, Pointwise
from joynet_sdk.qmodel.onnx_file import OnnxNode
from joynet_sdk.qmodel.ops import Shape, View


def stripped(shape: Sequence[int]) -> Shape:
    """`shape` without sides of 1, or (1,)."""
    return tuple(side for side in shape if side != 1) or (1,)


def rows(shape: Shape) -> Shape:
    """`shape` without sides of 1 before the last one: what ops over the last axis read."""
    return (*(side for side in shape[:-1] if side != 1), shape[-1])


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """function(factor * base), then .reshape(split).transpose(perm).reshape(shape).

    Attributes:
        base: A tensor of the float graph.
        split: How its values are read, without sides of 1.
        perm: Order of the sides of `split`.
        shape: ONNX shape, batch of 1 included.
        factor: 1 where there is a function.
        is_only: Nothing else refers to `base`, so its node may still take in what follows.
    """

    base: str
    split: Shape
    perm: Shape
    shape: Shape
    factor: float = 1.0
    function: Function | None = None
    is_only: bool = True

    @classmethod
    def of(cls, base: str, shape: Shape, factor: float = 1.0) -> "Value":
        """The tensor as it is."""
        split = stripped(shape)
        return cls(base, split, tuple(range(len(split))), shape, factor)

    @property
    def is_plain(self) -> bool:
        """Whether the values lie in the order of `base`."""
        return self.perm == tuple(range(len(self.perm)))

    @property
    def sides(self) -> Shape:
        """Sides after the transposition, without 1s."""
        return tuple(self.split[axis] for axis in self.perm)

    def looks_like(self, other: "Value") -> bool:
        """Whether both read one tensor in one order."""
        return (self.base, self.split, self.perm, self.shape) == (
            other.base, other.split, other.perm, other.shape,
        )  # fmt: skip

    def then(self, function: Function) -> "Value":
        """The function of this value."""
        return replace(self, factor=1.0, function=compose(function, self.whole))

    @property
    def whole(self) -> Function:
        """From a number of `base` to a number of this value."""
        if self.function is not None:
            return self.function
        factor = self.factor
        return lambda x: factor * x


def compose(outer: Function, inner: Function) -> Function:
    """x -> outer(inner(x))."""
    return lambda x: outer(inner(x))


Known = Value | NDArray[np.generic]


class Builder:
    """The float graph so far, and what each ONNX tensor stands for."""

    def __init__(self, uses: Counter[str], opset: int) -> None:
        self.nodes: dict[str, Node] = {}
        self.shapes: dict[str, Shape] = {}
        self.constants: dict[str, Floats] = {}
        self.labels: dict[str, str] = {}
        self.known: dict[str, Known] = {}
        self.uses, self.opset = uses, opset
        self._made: dict[tuple[object, ...], str] = {}
        self._functions: list[Function] = []  # kept, so that their ids stay theirs
        self._counts: Counter[str] = Counter()

    def name(self, kind: str) -> str:
        """A new tensor name."""
        self._counts[kind] += 1
        return f"{kind}{self._counts[kind] - 1}"

    def emit(self, node: Node, shape: Shape, source: OnnxNode) -> str:
        """Add a node whose output has `shape` (without the batch)."""
        self.nodes[node.name] = node
        self.shapes[node.name] = shape
        self.labels[node.name] = str(source)
        return node.name

    def constant(self, values: Floats) -> str:
        """Add a constant tensor."""
        name = self.name("constant")
        self.constants[name] = values
        self.shapes[name] = values.shape
        return name

    def value(self, source: OnnxNode, index: int = 0) -> Value:
        """An input that is computed.

        Raises:
            InvalidInputError: It is a constant.
        """
        found = self.known[source.inputs[index]]
        if not isinstance(found, Value):
            raise source.bad(f"input {index} is constant", "one computed from the model's input")
        only = found.is_only and self.uses[source.inputs[index]] == 1
        return replace(found, is_only=only)

    def array(self, source: OnnxNode, index: int) -> NDArray[np.generic] | None:
        """An input that is constant, None where it is left out.

        Raises:
            InvalidInputError: It is computed.
        """
        if index >= len(source.inputs) or not source.inputs[index]:
            return None
        found = self.known[source.inputs[index]]
        if isinstance(found, Value):
            raise source.bad(f"input {source.inputs[index]!r:.80} is computed", "a constant")
        return found

    def owner(self, value: Value) -> Clamped | None:
        """The node that made a value and may still take in what follows it."""
        node = self.nodes.get(value.base)
        is_open = value.is_only and value.function is None and isinstance(node, Clamped)
        if is_open and isinstance(node, Clamped) and not node.relu:
            return node
        return None

    def tensor(
        self, value: Value, shape: Shape, source: OnnxNode, *, signed: bool = False
    ) -> tuple[str, float]:
        """A tensor of the given shape (without the batch) and the factor to its value.

        Args:
            signed: Whether the factor may be negative.
        """
        base, factor = self._numbers(value, source, signed)
        if value.is_plain and self.shapes[base] == shape:
            return base, factor
        split = shape if value.is_plain else value.split
        perm = tuple(range(len(split))) if value.is_plain else value.perm
        return self._once(
            ("view", base, split, perm, shape),
            lambda: self.emit(View(self.name("view"), base, split, perm, shape), shape, source),
        ), factor

    def plain(self, value: Value, source: OnnxNode) -> Value:
        """The same value, its transposition carried out."""
        base, factor = self.tensor(value, stripped(value.shape), source)
        return replace(Value.of(base, value.shape, factor), is_only=value.is_only)

    def _numbers(self, value: Value, source: OnnxNode, signed: bool) -> tuple[str, float]:
        """`base` after the function, with a factor."""
        function = value.function
        if function is None and (signed or value.factor > 0):
            return value.base, value.factor
        key: tuple[object, ...] = ("negative", value.base)
        if function is None:
            function, factor = np.negative, -value.factor
        else:
            self._functions.append(function)
            key, factor = ("function", value.base, id(function)), 1.0
        node = Pointwise(self.name("table"), value.base, function)
        return self._once(key, lambda: self.emit(node, self.shapes[value.base], source)), factor

    def _once(self, key: tuple[object, ...], make: Callable[[], str]) -> str:
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]


def aligned(builder: Builder, value: Value, source: OnnxNode) -> Value:
    """The same value, read so that its sides are the sides of its ONNX shape."""
    split = stripped(value.shape)
    if value.sides == split:
        return value
    if value.is_plain:
        return replace(value, split=split, perm=tuple(range(len(split))))
    return builder.plain(value, source)


def transposed(builder: Builder, value: Value, perm: Sequence[int], source: OnnxNode) -> Value:
    """The value with its ONNX sides in the order `perm`."""
    value = aligned(builder, value, source)
    shape = tuple(value.shape[axis] for axis in perm)
    places = {axis: i for i, axis in enumerate(a for a, s in enumerate(value.shape) if s != 1)}
    order = tuple(value.perm[places[axis]] for axis in perm if axis in places) or (0,)
    return replace(value, perm=order, shape=shape)
