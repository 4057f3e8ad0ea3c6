"""Closed forms: what the verifier evaluates by itself, at points of Fr.

Points are sequences of ints below `FR`, variable 0 the least significant bit of the index.
Formulas: docs/spec/proof.md. The prover's tables are these functions on the Boolean cube.
"""

from collections.abc import Sequence

from joynet_sdk.proofs.circuit import Squash
from joynet_sdk.proofs.field import FR

Point = Sequence[int]


def eq(a: Point, b: Point) -> int:
    """prod_i (1 - a_i - b_i + 2 a_i b_i)."""
    product = 1
    for x, y in zip(a, b, strict=True):
        product = product * (1 - x - y + 2 * x * y) % FR
    return product


def eq_bits(point: Point, number: int) -> int:
    """eq of a point and the bits of a number."""
    product = 1
    for i, x in enumerate(point):
        product = product * (x if number >> i & 1 else 1 - x) % FR
    return product


def eq_table(point: Point, size: int | None = None) -> list[int]:
    """eq(point, i) for i < size (default: the whole cube); never longer on the way."""
    table = [1][:size]
    for x in point:
        high = [value * x % FR for value in table]
        table = [(value - up) % FR for value, up in zip(table, high, strict=True)] + high
        table = table[:size]
    return table


def less(point: Point, bound: int) -> int:
    """Extension of [i < bound]; 1 where the bound passes the cube."""
    if bound >> len(point):
        return 1
    below, equal = 0, 1  # of the variables from the most significant on
    for i in reversed(range(len(point))):
        if bound >> i & 1:
            below = (below + equal * (1 - point[i])) % FR
            equal = equal * point[i] % FR
        else:
            equal = equal * (1 - point[i]) % FR
    return below


def ramp(point: Point, offset: int) -> int:
    """Extension of i + offset."""
    return (sum(x << i for i, x in enumerate(point)) + offset) % FR


def clamp(point: Point, kind: Squash) -> int:
    """Extension of T(i - 2^(w-1)), w = len(point)."""
    *low, top = point
    if kind is Squash.RELU:
        return top * ramp(low, 0) % FR
    inner = ramp(low[:7], 0)
    zeros = ones = 1  # whether the bits between say "within int8"
    for x in low[7:]:
        zeros, ones = zeros * (1 - x) % FR, ones * x % FR
    positive = top * (zeros * (inner - 127) + 127) % FR
    if kind is Squash.RELU_CLAMP:
        return positive
    return (positive + (1 - top) * (ones * inner - 128)) % FR


def wire(
    p: Sequence[int],
    k: Sequence[int],
    q: Sequence[int],
    *,
    stride: int,
    pad: int,
) -> int:
    """sum over p, k of p_i k_j q_(stride i + j - pad) within q: tables of eq, cut to size."""
    total = 0
    for i, at_p in enumerate(p):
        start = stride * i - pad
        inner = sum(at_k * q[start + j] for j, at_k in enumerate(k) if 0 <= start + j < len(q))
        total += at_p * (inner % FR)
    return total % FR


def tensor(values: Sequence[int], sizes: tuple[int, int, int], point: Point) -> int:
    """Extension of a dense tensor (outermost dim first) whose dims are padded to powers of two."""
    outer, middle, inner = sizes
    cut = (inner - 1).bit_length()
    cut_middle = cut + (middle - 1).bit_length()
    at_inner = eq_table(point[:cut], inner)
    at_middle = eq_table(point[cut:cut_middle], middle)
    at_outer = eq_table(point[cut_middle:], outer)
    total = 0
    for i, weight in enumerate(at_outer):
        for j, weight_middle in enumerate(at_middle):
            row = values[(i * middle + j) * inner : (i * middle + j + 1) * inner]
            dot = sum(x * at for x, at in zip(row, at_inner, strict=True)) % FR
            total += weight * weight_middle % FR * dot
    return total % FR


def select(rows: Sequence[int], targets: Sequence[int], indices: Sequence[int]) -> int:
    """sum_i rows[i] targets[indices[i]]: tables of eq."""
    return sum(rows[i] * targets[index] for i, index in enumerate(indices)) % FR
