"""FrVector against Python integers: every function, awkward sizes, extreme values."""

import random
from collections.abc import Sequence

import numpy as np
import pytest

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.proofs.field import FR, to_limbs
from joynet_sdk.proofs.runtime import Runtime
from joynet_sdk.proofs.vectors import EqClaim, FrVector, combine, eq_table, powers

SIZES = (1, 2, 3, 63, 64, 65, 1000, 2051)
LOGS = (0, 1, 2, 5, 9, 11)


def values(count: int, seed: int = 0) -> list[int]:
    """`count` elements, a third of them 0, 1 or r - 1."""
    rng = random.Random(count * 1000 + seed)
    return [
        rng.choice((0, 1, FR - 1, *(rng.randrange(FR) for _ in range(6)))) for _ in range(count)
    ]


def eq(point: Sequence[int], index: int) -> int:
    """eq(point, bits of index)."""
    product = 1
    for k, z in enumerate(point):
        product = product * (z if index >> k & 1 else 1 - z) % FR
    return product


def evaluate(table: Sequence[int], point: Sequence[int]) -> int:
    """The multilinear polynomial at a point, from its definition."""
    return sum(value * eq(point, i) for i, value in enumerate(table)) % FR


def divide(coefficients: Sequence[int], root: int, stride: int) -> tuple[list[int], list[int]]:
    """Long division by X^stride - root."""
    rest = [*coefficients]
    quotient = [0] * max(len(rest) - stride, 1)
    for i in range(len(rest) - 1, stride - 1, -1):
        quotient[i - stride] = rest[i]
        rest[i - stride] = (rest[i - stride] + root * rest[i]) % FR
    return quotient, (rest + [0] * stride)[:stride]


@pytest.mark.parametrize("size", SIZES)
def test_elements_go_there_and_back(runtime: Runtime, size: int) -> None:
    expected = values(size)
    vector = FrVector.from_ints(runtime, expected)
    assert len(vector) == size
    assert vector.to_ints() == expected


def test_unreduced_elements_are_reduced(runtime: Runtime) -> None:
    raw = [FR, FR + 1, 2**256 - 1, 5 * FR, 0]
    assert FrVector.from_host(runtime, to_limbs(raw)).to_ints() == [x % FR for x in raw]


def test_small_integers(runtime: Runtime) -> None:
    small = [0, 1, -1, 127, -128, 2**63 - 1, -(2**63)]
    vector = FrVector.from_small(runtime, np.array(small, np.int64))
    assert vector.to_ints() == [x % FR for x in small]


@pytest.mark.parametrize("size", SIZES)
def test_arithmetic(runtime: Runtime, size: int) -> None:
    x, y = values(size, 1), values(size, 2)
    a, b = FrVector.from_ints(runtime, x), FrVector.from_ints(runtime, y)
    assert a.add(b).to_ints() == [(p + q) % FR for p, q in zip(x, y, strict=True)]
    assert a.sub(b).to_ints() == [(p - q) % FR for p, q in zip(x, y, strict=True)]
    assert a.mul(b).to_ints() == [p * q % FR for p, q in zip(x, y, strict=True)]
    assert a.dot(b) == sum(p * q for p, q in zip(x, y, strict=True)) % FR
    for scale, shift in ((0, 0), (1, 0), (FR - 1, FR - 1), (-3, 5), (y[0], x[-1])):
        assert a.affine(scale, shift).to_ints() == [(scale * p + shift) % FR for p in x]


def test_largest_values_in_every_lane(runtime: Runtime) -> None:
    """Sums of the largest products neither overflow nor lose their carries."""
    a = FrVector.from_ints(runtime, [FR - 1] * 4096)
    assert a.dot(a) == 4096
    assert a.affine(FR - 1, FR - 1).to_ints() == [0] * 4096
    assert a.evaluate([FR - 1] * 12) == FR - 1
    # Limbs whose Montgomery form is all ones or nearly so.
    low = pow(2, -256, FR)
    edges = [x * low % FR for x in (FR - 1, FR - 2, 2**253, 2**192 - 1, 2**64, 2**64 - 1, 1)]
    b = FrVector.from_ints(runtime, edges)
    for scale in edges:
        assert b.affine(scale, FR - 1).to_ints() == [(scale * x - 1) % FR for x in edges]
    assert b.dot(b) == sum(x * x for x in edges) % FR


def test_slices_share_memory(runtime: Runtime) -> None:
    x = values(100)
    vector = FrVector.from_ints(runtime, x)
    part = vector.slice(31, 40)
    assert part.to_ints() == x[31:71]
    assert part.slice(5, 3).to_ints() == x[36:39]
    own = part.copy()
    part.clear()
    assert vector.to_ints() == x[:31] + [0] * 40 + x[71:]
    part.write(own)
    assert vector.to_ints() == x
    assert part.add(vector.slice(0, 40)).to_ints() == [
        (p + q) % FR for p, q in zip(x[31:71], x[:40], strict=True)
    ]


def test_padding(runtime: Runtime) -> None:
    x = values(100)
    vector = FrVector.from_ints(runtime, x)
    assert vector.padded(101).to_ints() == [*x, 0]
    assert vector.padded_to_power_of_two().to_ints() == x + [0] * 28
    assert vector.slice(0, 1).padded_to_power_of_two().to_ints() == x[:1]


def test_combine_vectors_of_different_lengths(runtime: Runtime) -> None:
    columns = [values(size, 3) for size in (7, 300, 1)]
    terms = [
        (c, FrVector.from_ints(runtime, x))
        for c, x in zip((5, FR - 1, values(1, 4)[0]), columns, strict=True)
    ]
    expected = [
        sum(c * x[i] for (c, _), x in zip(terms, columns, strict=True) if i < len(x)) % FR
        for i in range(300)
    ]
    assert combine(terms).to_ints() == expected
    assert combine(terms, 512).to_ints() == expected + [0] * 212


@pytest.mark.parametrize("log", LOGS)
def test_eq_table(runtime: Runtime, log: int) -> None:
    point = values(log, 5)
    assert eq_table(runtime, point).to_ints() == [eq(point, i) for i in range(1 << log)]
    scaled = eq_table(runtime, point, 77)
    assert scaled.to_ints() == [77 * eq(point, i) % FR for i in range(1 << log)]


def test_eq_claims_accumulate(runtime: Runtime) -> None:
    start = values(3000, 6)
    target = FrVector.from_ints(runtime, start)
    claims = [  # disjoint, overlapping, equal ranges; a constant; odd offsets
        EqClaim(0, values(5, 1), 3),
        EqClaim(32, values(10, 2), FR - 1),
        EqClaim(33, values(4, 3)),
        EqClaim(0, values(5, 4), 9),
        EqClaim(2999, [], 11),
        EqClaim(2999, [], 12),
        EqClaim(1100, values(10, 5), 0),
        EqClaim(40, values(11, 6), 2),
    ]
    for claim in claims:
        for i in range(1 << len(claim.point)):
            start[claim.offset + i] += claim.factor * eq(claim.point, i)
    target.accumulate_eq(claims)
    assert target.to_ints() == [x % FR for x in start]
    target.accumulate_eq([])


@pytest.mark.parametrize("log", LOGS)
def test_fold_and_evaluate(runtime: Runtime, log: int) -> None:
    x, point = values(1 << log, 7), values(log, 8)
    vector = FrVector.from_ints(runtime, x)
    assert vector.evaluate(point) == evaluate(x, point)
    if log:
        r = point[0]
        folded = [(x[2 * i] + r * (x[2 * i + 1] - x[2 * i])) % FR for i in range(len(x) // 2)]
        assert vector.fold(r).to_ints() == folded


@pytest.mark.parametrize(("first", "count"), [(0, 3), (2, 4), (5, 3), (0, 8), (4, 0), (7, 1)])
def test_bind_a_range_of_variables(runtime: Runtime, first: int, count: int) -> None:
    x, point = values(256, 9), values(count, 10)
    bound = FrVector.from_ints(runtime, x).bind(first, point).to_ints()
    low = 1 << first
    for i, value in enumerate(bound):
        rest = (i % low) + (i // low << (first + count))
        terms = (x[rest + (m << first)] * eq(point, m) for m in range(1 << count))
        assert value == sum(terms) % FR


def test_bind_more_than_one_pass(runtime: Runtime) -> None:
    x, point = values(1 << 13, 11), values(12, 12)
    bound = FrVector.from_ints(runtime, x).bind(1, point).to_ints()
    assert bound == [evaluate(x[k::2], point) for k in (0, 1)]


def test_bind_any_variables_and_reorder(runtime: Runtime) -> None:
    x = values(128, 13)
    vector = FrVector.from_ints(runtime, x)
    a, b, c = values(3, 14)
    point = [None, a, b, None, None, c, None]
    kept = [4, 0, 6, 3]
    result = vector.bind_all_but(point, kept).to_ints()
    for i, value in enumerate(result):
        full: list[int] = [z if z is not None else 0 for z in point]
        for k, variable in enumerate(kept):
            full[variable] = i >> k & 1
        assert value == evaluate(x, full)
    assert vector.bind_all_but([a] * 7, []).to_ints() == [evaluate(x, [a] * 7)]
    assert vector.bind_all_but([None] * 7, list(range(7))).to_ints() == x


@pytest.mark.parametrize("size", SIZES)
def test_inverse(runtime: Runtime, size: int) -> None:
    x = [value or 5 for value in values(size, 15)]
    inverses = FrVector.from_ints(runtime, x).inverse().to_ints()
    assert all(p * q % FR == 1 for p, q in zip(x, inverses, strict=True))


@pytest.mark.parametrize("where", [0, 31, 32, 99])
def test_zero_has_no_inverse(runtime: Runtime, where: int) -> None:
    x = [3] * 100
    x[where] = 0
    vector = FrVector.from_ints(runtime, x)
    with pytest.raises(InvalidInputError, match=f"element {where} of 100 is 0"):
        vector.inverse()
    inverses, zero = vector.inverse_unless_zero()
    third = pow(3, -1, FR)
    assert zero == where
    assert inverses.to_ints() == [third if value else 0 for value in x]


@pytest.mark.parametrize("size", SIZES)
def test_polynomial_at_a_point(runtime: Runtime, size: int) -> None:
    coefficients = values(size, 16)
    vector = FrVector.from_ints(runtime, coefficients)
    for x in (0, 1, FR - 1, values(1, 17)[0]):
        assert vector.evaluate_polynomial(x) == (
            sum(c * pow(x, i, FR) for i, c in enumerate(coefficients)) % FR
        )


@pytest.mark.parametrize("size", SIZES)
def test_powers(runtime: Runtime, size: int) -> None:
    for x in (0, 1, FR - 1, 3**150 % FR):
        assert powers(runtime, x, size).to_ints() == [pow(x, i, FR) for i in range(size)]


@pytest.mark.parametrize("size", [*SIZES, 2048])
@pytest.mark.parametrize("stride", [1, 2, 4, 16, 64, 1024])
def test_division(runtime: Runtime, size: int, stride: int) -> None:
    coefficients = values(size, 18)
    vector = FrVector.from_ints(runtime, coefficients)
    for root in (0, 1, 2**200 + 7):
        quotient, remainder = vector.divide(root, stride)
        expected = divide(coefficients, root, stride)
        assert (quotient.to_ints(), remainder.to_ints()) == expected


def test_division_of_a_long_polynomial(runtime: Runtime) -> None:
    """Many chunks: f(z) = q(z) (z - a) + f(a) at a point."""
    f = powers(runtime, 12345, 1 << 15).slice(1, (1 << 15) - 3)
    quotient, remainder = f.divide(777)
    assert remainder.to_ints() == [f.evaluate_polynomial(777)]
    z = 987654321
    right = quotient.evaluate_polynomial(z) * (z - 777) + remainder.to_ints()[0]
    assert f.evaluate_polynomial(z) == right % FR


@pytest.mark.parametrize(("left", "right"), [(1, 1), (1, 9), (70, 33), (128, 128)])
def test_polynomial_product(runtime: Runtime, left: int, right: int) -> None:
    a, b = values(left, 19), values(right, 20)
    expected = [0] * (left + right - 1)
    for i, p in enumerate(a):
        for j, q in enumerate(b):
            expected[i + j] = (expected[i + j] + p * q) % FR
    product = FrVector.from_ints(runtime, a).polynomial_mul(FrVector.from_ints(runtime, b))
    assert product.to_ints() == expected


def test_bad_arguments_are_named(runtime: Runtime) -> None:
    five, four = FrVector.zeros(runtime, 5), FrVector.zeros(runtime, 4)
    for call, message in (
        (lambda: FrVector.empty(runtime, 0), "a vector of 0 elements"),
        (lambda: FrVector.from_host(runtime, np.zeros((3, 3), np.uint64)), r"\(3, 3\) uint64"),
        (lambda: FrVector.from_small(runtime, np.zeros(3, np.uint8)), r"\(3,\) uint8"),
        (lambda: five.slice(2, 4), r"\[2, 6\) of a vector of 5"),
        (lambda: five.padded(4), "pad 5 elements to 4"),
        (lambda: five.add(four), "vectors of 5 and 4"),
        (lambda: four.accumulate(1, five), "of a vector of 4"),
        (lambda: five.evaluate([1, 2]), "5 elements, expected a power of two"),
        (lambda: four.evaluate([1]), "1 coordinates for 2 variables"),
        (lambda: four.bind(1, [1, 2]), r"variables \[1, 3\) of 2"),
        (lambda: four.bind_all_but([None, 1], [1]), r"kept variables \[1\]"),
        (lambda: four.permuted([0, 0]), "no order of 2 variables"),
        (lambda: four.slice(0, 1).fold(3), "no variable to bind"),
        (lambda: four.accumulate_eq([EqClaim(1, [1, 2])]), r"\[1, 5\) of a vector of 4"),
        (lambda: four.divide(1, 3), r"X\^3 - a"),
        (lambda: combine([]), "no vectors"),
    ):
        with pytest.raises(InvalidInputError, match=message):
            call()
