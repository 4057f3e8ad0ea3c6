"""What every integer of a model can reach, from its weights alone and never from data.

Interval arithmetic: the prover's tables are as wide as these bounds, so that no input of a client
is unprovable, and no product wraps.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.qmodel.ops import (
    LAYERNORM_ROOT_BITS,
    LAYERNORM_SHIFT,
    PROBABILITY_STEPS,
    SHIFT,
    TABLES,
    Add,
    AvgPool,
    Conv,
    Embed,
    Gemm,
    LayerNorm,
    Lookup,
    MatMul,
    Op,
    Shape,
    Softmax,
    inputs_of,
)

INT8 = (-128, 127)
MIN_Q_BITS = 9
MAX_Q_BITS = 16
ACCUMULATOR_BITS = 31
WORD_BITS = 62

Interval = tuple[int, int]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Bounds:
    """Worst case of one op over every possible input, all ends inclusive.

    Attributes:
        out: Interval of the tensor it makes.
        acc: Interval of the accumulator, None where nothing is requantised.
        q: Interval of the quotient before the clamp, likewise.
        row_sum: Largest sum along the last axis of a softmax, else None.
    """

    out: Interval
    acc: Interval | None = None
    q: Interval | None = None
    row_sum: int | None = None

    @property
    def q_bits(self) -> int:
        """Least w >= 9 with -2^(w-1) <= q < 2^(w-1); 0 where nothing is requantised."""
        return 0 if self.q is None else max(MIN_Q_BITS, signed_bits(*self.q))


def signed_bits(low: int, high: int) -> int:
    """Least w with -2^(w-1) <= low and high < 2^(w-1)."""
    return max(high.bit_length() if high > 0 else 0, (~low).bit_length() if low < 0 else 0) + 1


def bounds_of(
    op: Op,
    shapes: Mapping[str, Shape],
    known: Mapping[str, Bounds],
) -> Bounds:
    """Worst case of an op, given those of what it reads.

    Raises:
        InvalidInputError: A value could wrap, or q needs more than 16 bits.
    """
    bounds = reach(op, shapes, known)
    if bounds.q_bits > MAX_Q_BITS:
        raise InvalidInputError(
            f"{op.name} ({op.kind}): q reaches {bounds.q} and needs {bounds.q_bits} bits, "
            f"expected at most {MAX_Q_BITS}",
            hint="a larger output scale makes q smaller",
        )
    return bounds


def reach(
    op: Op,
    shapes: Mapping[str, Shape],
    known: Mapping[str, Bounds],
) -> Bounds:
    """`bounds_of` without the limit of 16 bits."""
    reads = [known[name].out for name in inputs_of(op)]
    if isinstance(op, Gemm | Conv):
        return _requantised(op, *_linear(op, reads[0]), op.multiplier)
    if isinstance(op, MatMul):
        return _requantised(op, *_product(op, shapes, known), op.multiplier)
    if isinstance(op, AvgPool):
        low, high = _with_zero(reads[0]) if any(op.pads) else reads[0]
        return _requantised(op, prod(op.kernel) * low, prod(op.kernel) * high, op.multiplier)
    if isinstance(op, Add):
        pairs = list(zip((op.left_multiplier, op.right_multiplier), reads, strict=True))
        return _shifted(op, sum(m * r[0] for m, r in pairs), sum(m * r[1] for m, r in pairs))
    if isinstance(op, LayerNorm):
        return _layernorm(op)
    if isinstance(op, Softmax):
        return _softmax(op, shapes[op.input][-1])
    if isinstance(op, Lookup):
        return Bounds((int(op.values.min()), int(op.values.max())))
    return Bounds(reads[1] if isinstance(op, Embed) else reads[0])


def _with_zero(interval: Interval) -> Interval:
    return min(interval[0], 0), max(interval[1], 0)


def _linear(op: Gemm | Conv, interval: Interval) -> tuple[Integers, Integers]:
    """Per-channel ends of weight * x + bias."""
    if isinstance(op, Conv) and any(op.pads):
        interval = _with_zero(interval)
    low, high = interval
    weight = op.weight.reshape(op.weight.shape[0], -1).astype(np.int64)
    positive, negative = np.maximum(weight, 0).sum(axis=1), np.minimum(weight, 0).sum(axis=1)
    bias = op.bias.astype(np.int64)
    return bias + positive * low + negative * high, bias + positive * high + negative * low


def _product(
    op: MatMul, shapes: Mapping[str, Shape], known: Mapping[str, Bounds]
) -> tuple[int, int]:
    """Ends of left @ right; rows of a softmax add up to little more than 127."""
    left, right = known[op.left], known[op.right].out
    if left.row_sum is not None:
        low, high = _with_zero(right)
        return left.row_sum * low, left.row_sum * high
    corners = [a * b for a in left.out for b in right]
    return shapes[op.left][-1] * min(corners), shapes[op.left][-1] * max(corners)


def _requantised(
    op: Gemm | Conv | MatMul | AvgPool,
    low: Integers | int,
    high: Integers | int,
    multiplier: NDArray[np.uint32] | int,
) -> Bounds:
    """|acc| < 2^31 and M < 2^24, so |M * acc| + 2^23 < 2^62."""
    acc = int(np.min(low)), int(np.max(high))
    if signed_bits(*acc) > ACCUMULATOR_BITS + 1:
        raise InvalidInputError(
            f"{op.name} ({op.kind}): the accumulator reaches {acc}, expected to fit int32"
        )
    factor, half = np.asarray(multiplier).astype(np.int64), 1 << (SHIFT - 1)
    ends = [(factor * np.asarray(end, np.int64) + half) >> SHIFT for end in (low, high)]
    return _clamped(op, acc, (int(ends[0].min()), int(ends[1].max())))


def _shifted(op: Add, low: int, high: int) -> Bounds:
    half = 1 << (SHIFT - 1)
    return _clamped(op, (low, high), ((low + half) >> SHIFT, (high + half) >> SHIFT))


def _clamped(
    op: Gemm | Conv | MatMul | AvgPool | Add | LayerNorm, acc: Interval, q: Interval
) -> Bounds:
    return Bounds(TABLES[op.table], acc, q)


def _layernorm(op: LayerNorm) -> Bounds:
    """c^2 <= V < V + epsilon, so |c * R| <= 2^30."""
    root, half = 1 << LAYERNORM_ROOT_BITS, 1 << (LAYERNORM_SHIFT - 1)
    peak = root * np.abs(op.multiplier.astype(np.int64))
    bias = op.bias.astype(np.int64) << SHIFT
    low = (bias - peak + half) >> LAYERNORM_SHIFT
    high = (bias + peak + half) >> LAYERNORM_SHIFT
    return _clamped(op, (-root, root), (int(low.min()), int(high.max())))


def _softmax(op: Softmax, side: int) -> Bounds:
    """2 * Z * y + rem <= 2 * Z * 128 does not wrap; y <= 127 * e / Z + 1/2, and e adds up to Z."""
    total = 2 * side * int(op.exp.max()) * (PROBABILITY_STEPS + 1)
    if total >= 1 << WORD_BITS:
        raise InvalidInputError(f"{op.name} (softmax): sums reach {total}, expected < 2^62")
    return Bounds((0, PROBABILITY_STEPS), row_sum=PROBABILITY_STEPS + side // 2)
