"""The operators of a QModel: what each one holds. Their meaning is docs/spec/qmodel.md.

An op's `name` is the name of the one tensor it makes. Shapes leave out the batch. Of each class,
`wires` are the fields that name tensors it reads, `arrays` those that lie in the file as
`<name>.<field>`, with their dtypes; every other field is in the document.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

Shape = tuple[int, ...]
Pair = tuple[int, int]  # (y, x)
Pads = tuple[int, int, int, int]  # (top, left, bottom, right)

SHIFT = 24  # requantisation: multipliers are in units of 2^-24, and below 2^24
LAYERNORM_SHIFT = 36  # layernorm: M * c * R has 12 more bits
LAYERNORM_ROOT_BITS = 30  # R = floor(2^30 / sqrt(V + epsilon))
LAYERNORM_MULTIPLIER = 1 << 23  # layernorm multipliers are signed, in [-2^23, 2^23)
PROBABILITY_STEPS = 127  # one step of softmax is 1/127
TABLES = {"clamp": (-128, 127), "relu-clamp": (0, 127)}


Arrays = dict[str, type[np.generic]]
PER_CHANNEL: Arrays = {"weight": np.int8, "bias": np.int32, "multiplier": np.uint32}


@dataclass(frozen=True, slots=True, eq=False)
class Gemm:
    """Constant weights over the last axis: (..., n) -> (..., m).

    Attributes:
        weight: (m, n) int8.
        bias: (m,) int32, in accumulator steps.
        multiplier: (m,) uint32, each < 2^24.
    """

    kind: ClassVar[str] = "gemm"
    wires: ClassVar[tuple[str, ...]] = ("input",)
    arrays: ClassVar[Arrays] = PER_CHANNEL
    name: str
    input: str
    weight: NDArray[np.int8]
    bias: NDArray[np.int32]
    multiplier: NDArray[np.uint32]
    table: str


@dataclass(frozen=True, slots=True, eq=False)
class Conv:
    """2-D convolution, zeros outside: (c, h, w) -> (m, oh, ow).

    Attributes:
        weight: (m, c / groups, kh, kw) int8.
        bias: (m,) int32.
        multiplier: (m,) uint32, each < 2^24.
    """

    kind: ClassVar[str] = "conv"
    wires: ClassVar[tuple[str, ...]] = ("input",)
    arrays: ClassVar[Arrays] = PER_CHANNEL
    name: str
    input: str
    weight: NDArray[np.int8]
    bias: NDArray[np.int32]
    multiplier: NDArray[np.uint32]
    strides: Pair
    pads: Pads
    groups: int
    table: str

    @property
    def kernel(self) -> Pair:
        """(kh, kw)."""
        return int(self.weight.shape[2]), int(self.weight.shape[3])


@dataclass(frozen=True, slots=True, eq=False)
class MatMul:
    """Product of two activations: (..., m, k) x (..., k, n), or (..., n, k) when `transposed`."""

    kind: ClassVar[str] = "matmul"
    wires: ClassVar[tuple[str, ...]] = ("left", "right")
    arrays: ClassVar[Arrays] = {}
    name: str
    left: str
    right: str
    transposed: bool
    multiplier: int
    table: str


@dataclass(frozen=True, slots=True, eq=False)
class Add:
    """q = (M1 * left + M2 * right + 2^23) >> 24; two tensors of one shape."""

    kind: ClassVar[str] = "add"
    wires: ClassVar[tuple[str, ...]] = ("left", "right")
    arrays: ClassVar[Arrays] = {}
    name: str
    left: str
    right: str
    left_multiplier: int
    right_multiplier: int
    table: str


@dataclass(frozen=True, slots=True, eq=False)
class Lookup:
    """y = values[x + 128].

    Attributes:
        values: (256,) int8; entry i answers x = i - 128.
    """

    kind: ClassVar[str] = "lookup"
    wires: ClassVar[tuple[str, ...]] = ("input",)
    arrays: ClassVar[Arrays] = {"values": np.int8}
    name: str
    input: str
    values: NDArray[np.int8]


@dataclass(frozen=True, slots=True, eq=False)
class MaxPool:
    """Largest value of each window, -128 outside: (c, h, w) -> (c, oh, ow)."""

    kind: ClassVar[str] = "maxpool"
    wires: ClassVar[tuple[str, ...]] = ("input",)
    arrays: ClassVar[Arrays] = {}
    name: str
    input: str
    kernel: Pair
    strides: Pair
    pads: Pads


@dataclass(frozen=True, slots=True, eq=False)
class AvgPool:
    """Requantised sum of each window, 0 outside; the multiplier holds the division."""

    kind: ClassVar[str] = "avgpool"
    wires: ClassVar[tuple[str, ...]] = ("input",)
    arrays: ClassVar[Arrays] = {}
    name: str
    input: str
    kernel: Pair
    strides: Pair
    pads: Pads
    multiplier: int
    table: str


@dataclass(frozen=True, slots=True, eq=False)
class Softmax:
    """Over the last axis; y in 0..127, one step is 1/127.

    Attributes:
        exp: (256,) uint16; entry d is the weight of a value d steps below the row's largest.
    """

    kind: ClassVar[str] = "softmax"
    wires: ClassVar[tuple[str, ...]] = ("input",)
    arrays: ClassVar[Arrays] = {"exp": np.uint16}
    name: str
    input: str
    exp: NDArray[np.uint16]


@dataclass(frozen=True, slots=True, eq=False)
class LayerNorm:
    """Over the last axis, of n values.

    Attributes:
        multiplier: (n,) int32 in [-2^23, 2^23): gamma, in units of 2^-36 for each step of c * R.
        bias: (n,) int32: beta, in units of 2^-12 output steps.
        epsilon: Added to V, at least 1.
    """

    kind: ClassVar[str] = "layernorm"
    wires: ClassVar[tuple[str, ...]] = ("input",)
    arrays: ClassVar[Arrays] = {"multiplier": np.int32, "bias": np.int32}
    name: str
    input: str
    multiplier: NDArray[np.int32]
    bias: NDArray[np.int32]
    epsilon: int
    table: str


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """y = x.reshape(split).transpose(perm).reshape(shape), C order."""

    kind: ClassVar[str] = "view"
    wires: ClassVar[tuple[str, ...]] = ("input",)
    arrays: ClassVar[Arrays] = {}
    name: str
    input: str
    split: Shape
    perm: Shape
    shape: Shape


@dataclass(frozen=True, slots=True, eq=False)
class Gather:
    """Constant indices along one axis.

    Attributes:
        indices: (k,) uint32, each below the side of `axis`.
    """

    kind: ClassVar[str] = "gather"
    wires: ClassVar[tuple[str, ...]] = ("input",)
    arrays: ClassVar[Arrays] = {"indices": np.uint32}
    name: str
    input: str
    axis: int
    indices: NDArray[np.uint32]


@dataclass(frozen=True, slots=True, eq=False)
class Embed:
    """Rows of a constant by the ids of the input: (s,) -> (s, n)."""

    kind: ClassVar[str] = "embed"
    wires: ClassVar[tuple[str, ...]] = ("input", "constant")
    arrays: ClassVar[Arrays] = {}
    name: str
    input: str
    constant: str


Op = (
    Gemm | Conv | MatMul | Add | Lookup | MaxPool | AvgPool | Softmax | LayerNorm | View | Gather
    | Embed
)  # fmt: skip
OP_TYPES: tuple[type[Op], ...] = (
    Gemm, Conv, MatMul, Add, Lookup, MaxPool, AvgPool, Softmax, LayerNorm, View, Gather, Embed,
)  # fmt: skip
BY_KIND: dict[str, type[Op]] = {op.kind: op for op in OP_TYPES}


def inputs_of(op: Op) -> tuple[str, ...]:
    """Names of the tensors that an op reads, in order."""
    return tuple(getattr(op, wire) for wire in op.wires)
