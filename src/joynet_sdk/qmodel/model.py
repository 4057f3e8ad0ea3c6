"""The QModel graph and the checks that make every executor agree."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from math import prod
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.qmodel.bounds import INT8, Bounds, bounds_of
from joynet_sdk.qmodel.ops import Embed, Op, Shape, inputs_of
from joynet_sdk.qmodel.shapes import check_shape, output_shape, work_of

MAX_OPS = 1024
MAX_CONSTANTS = 1024
MAX_VALUES = 1 << 26  # of all tensors together
MAX_WORK = 1 << 36  # multiply-adds and comparisons of all ops together
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
SCALE = re.compile(r"[0-9.eE+-]{1,40}")


@dataclass(frozen=True, slots=True)
class Input:
    """What a model reads.

    Attributes:
        name: Of its tensor.
        shape: Of one input, without the batch.
        kind: "tensor" (int8) or "tokens" (uint16 ids, one side).
        scale: Real value of one int8 step, a decimal string; None for tokens.
        vocab: Ids are below it; 0 for a tensor.
    """

    name: str
    shape: Shape
    kind: Literal["tensor", "tokens"] = "tensor"
    scale: str | None = None
    vocab: int = 0

    @property
    def dtype(self) -> np.dtype[np.int8] | np.dtype[np.uint16]:
        """Of the values; little-endian in a request."""
        return np.dtype(np.int8) if self.kind == "tensor" else np.dtype("<u2")


@dataclass(frozen=True, eq=False)
class QModel:
    """A graph of integer ops, checked when it is made.

    Attributes:
        input: What it reads.
        ops: In topological order; the last one makes the output.
        output_scale: Real value of one output step, a decimal string.
        constants: int8 tensors that ops read by name.
        shapes: Shape of every tensor by name.
        bounds: Worst case of every tensor by name.

    Raises:
        InvalidInputError: A rule of docs/spec/qmodel.md is broken; the message names the op.
    """

    input: Input
    ops: tuple[Op, ...]
    output_scale: str
    constants: Mapping[str, NDArray[np.int8]] = field(default_factory=dict)
    shapes: Mapping[str, Shape] = field(init=False)
    bounds: Mapping[str, Bounds] = field(init=False)

    def __post_init__(self) -> None:
        _check_names(self)
        shapes, bounds = _check_graph(self)
        object.__setattr__(self, "shapes", shapes)
        object.__setattr__(self, "bounds", bounds)

    @property
    def output(self) -> str:
        """Name of the output tensor."""
        return self.ops[-1].name

    @property
    def output_shape(self) -> Shape:
        """Shape of one output."""
        return self.shapes[self.output]

    @property
    def input_size(self) -> int:
        """Values in one input."""
        return prod(self.input.shape)

    @property
    def output_size(self) -> int:
        """int8 values in one output."""
        return prod(self.output_shape)

    @property
    def parameters(self) -> int:
        """Weights, biases and constants; multipliers and tables are not counted."""
        own: list[int] = [
            getattr(op, name).size
            for op in self.ops
            for name in ("weight", "bias")
            if name in op.arrays
        ]
        return sum(own) + sum(constant.size for constant in self.constants.values())

    def check_inputs(self, inputs: NDArray[np.generic]) -> None:
        """Refuse anything but (batch, input_size) values of the input's dtype, ids below vocab.

        Raises:
            InvalidInputError: Another shape or dtype, or an id that is too large.
        """
        expected = f"{self.input.dtype.name} (batch, {self.input_size})"
        if inputs.ndim != 2 or inputs.shape[1] != self.input_size:
            raise InvalidInputError(f"input is {inputs.dtype} {inputs.shape}, expected {expected}")
        if inputs.dtype != self.input.dtype:
            raise InvalidInputError(f"input is {inputs.dtype} {inputs.shape}, expected {expected}")
        if self.input.kind == "tokens" and inputs.size:
            largest = int(inputs.astype(np.int64).max())
            if largest >= self.input.vocab:
                raise InvalidInputError(f"token id {largest}, expected below {self.input.vocab}")


def check_scale(scale: object, what: str) -> None:
    """Refuse a scale that is not a positive decimal string."""
    try:
        if isinstance(scale, str) and SCALE.fullmatch(scale) and 0 < Decimal(scale) < 10**9:
            return
    except InvalidOperation:
        pass
    raise InvalidInputError(f"{what} is {scale!r:.60}, expected a positive decimal string")


def _check_names(model: QModel) -> None:
    if not 1 <= len(model.ops) <= MAX_OPS:
        raise InvalidInputError(f"QModel has {len(model.ops)} ops, expected 1 to {MAX_OPS}")
    if len(model.constants) > MAX_CONSTANTS:
        raise InvalidInputError(f"QModel has over {MAX_CONSTANTS} constants")
    seen: set[str] = set()
    for name in (model.input.name, *model.constants, *(op.name for op in model.ops)):
        if not NAME.fullmatch(name):
            raise InvalidInputError(f"tensor name {name!r:.80}, expected {NAME.pattern}")
        if name in seen:
            raise InvalidInputError(f"two tensors are named {name!r}, expected unique names")
        seen.add(name)


def _check_input(model: QModel) -> None:
    source = model.input
    check_shape(source.shape, f"input {source.name!r}")
    if source.kind == "tensor":
        check_scale(source.scale, "input scale")
        if source.vocab:
            raise InvalidInputError(f"a tensor input has vocab {source.vocab}, expected none")
    elif source.kind != "tokens":
        raise InvalidInputError(f"input kind is {source.kind!r:.40}, expected tensor or tokens")
    elif source.scale is not None or len(source.shape) != 1 or not 1 <= source.vocab <= 1 << 16:
        raise InvalidInputError(
            f"tokens input has shape {list(source.shape)}, scale {source.scale}, "
            f"vocab {source.vocab}; expected (s,), no scale, vocab 1 to 65,536"
        )
    check_scale(model.output_scale, "output scale")


def _check_graph(model: QModel) -> tuple[dict[str, Shape], dict[str, Bounds]]:
    """Shapes and worst cases, after checking every op in order."""
    _check_input(model)
    shapes: dict[str, Shape] = {model.input.name: model.input.shape}
    bounds: dict[str, Bounds] = {model.input.name: Bounds(INT8)}
    for name, constant in model.constants.items():
        check_shape(constant.shape, f"constant {name!r}")
        if constant.dtype != np.int8:
            raise InvalidInputError(f"constant {name!r} is {constant.dtype}, expected int8")
        shapes[name] = constant.shape
        bounds[name] = Bounds((int(constant.min()), int(constant.max())))
    unread, work = {*shapes, *(op.name for op in model.ops[:-1])}, 0
    for op in model.ops:
        _check_wires(model, op, shapes)
        unread -= set(inputs_of(op))
        shapes[op.name] = output_shape(op, shapes)
        bounds[op.name] = bounds_of(op, shapes, bounds)
        work += work_of(op, shapes, shapes[op.name])
    if unread:
        raise InvalidInputError(f"nothing reads {sorted(unread)[:5]}, expected no spare tensors")
    values = sum(prod(shape) for shape in shapes.values())
    if work > MAX_WORK or values > MAX_VALUES:
        raise InvalidInputError(
            f"QModel has {work} multiply-adds on {values} values, "
            f"expected at most {MAX_WORK} on {MAX_VALUES}"
        )
    return shapes, bounds


def _check_wires(model: QModel, op: Op, shapes: Mapping[str, Shape]) -> None:
    """Only tensors made before are read; ids by `embed` alone, and its rows are a constant."""
    for name in inputs_of(op):
        if name not in shapes:
            raise InvalidInputError(
                f"{op.name} ({op.kind}) reads {name!r:.80}, expected a tensor made before it"
            )
    reads_ids = model.input.kind == "tokens" and model.input.name in inputs_of(op)
    if isinstance(op, Embed):
        if not reads_ids or op.input != model.input.name or op.constant not in model.constants:
            raise InvalidInputError(
                f"{op.name} (embed) reads {op.input!r} and {op.constant!r}, "
                "expected the token input and a constant"
            )
        if shapes[op.constant][0] < model.input.vocab:
            raise InvalidInputError(
                f"{op.name} (embed): {shapes[op.constant][0]} rows for vocab {model.input.vocab}"
            )
    elif reads_ids:
        raise InvalidInputError(f"{op.name} ({op.kind}) reads token ids, only embed may")
