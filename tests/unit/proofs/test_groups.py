"""G1, G2 and the pairing of the host against py_ecc."""

import random

import pytest
from py_ecc.optimized_bn128 import FQ12, multiply, normalize, pairing
from py_ecc.optimized_bn128 import G1 as E1
from py_ecc.optimized_bn128 import G2 as E2

from joynet_sdk.errors import VerificationError
from joynet_sdk.proofs import g1, g2, tower
from joynet_sdk.proofs.field import FQ, FR
from joynet_sdk.proofs.pairing import is_product_one

EDGES = [0, 1, 2, 3, FR - 1, FR - 2, 2**253, 2**128 - 1]


def random_scalars(count: int, seed: int) -> list[int]:
    rng = random.Random(seed)
    return [rng.randrange(FR) for _ in range(count)]


def expected_g1(scalar: int) -> g1.G1:
    if scalar % FR == 0:
        return g1.IDENTITY
    x, y = normalize(multiply(E1, scalar % FR))
    return int(x), int(y)


def expected_g2(scalar: int) -> g2.G2:
    if scalar % FR == 0:
        return None
    x, y = normalize(multiply(E2, scalar % FR))
    return (int(x.coeffs[0]), int(x.coeffs[1])), (int(y.coeffs[0]), int(y.coeffs[1]))


# --- G1


@pytest.mark.parametrize("scalar", [*EDGES, *random_scalars(4, 1), FR, FR + 5, -1])
def test_multiples_in_g1(scalar):
    assert g1.multiply(g1.GENERATOR, scalar) == expected_g1(scalar)


def test_sums_in_g1_with_equal_opposite_and_missing_points():
    rng = random.Random(3)
    for _ in range(6):
        logs = [rng.choice([0, 1, 5, FR - 5, rng.randrange(FR)]) for _ in range(7)]
        scalars = [rng.choice([*EDGES, rng.randrange(FR)]) for _ in logs]
        terms = zip(scalars, map(expected_g1, logs), strict=True)
        total = sum(s * k for s, k in zip(scalars, logs, strict=True))
        assert g1.combine(terms) == expected_g1(total)
    assert g1.combine([]) == g1.IDENTITY


def test_encoding_of_g1():
    point = expected_g1(99)
    assert g1.decode(g1.encode(point)) == point
    assert g1.decode(bytes(64)) == g1.IDENTITY
    assert g1.negate(g1.IDENTITY) == g1.IDENTITY
    for wrong in (bytes(63), bytes(65), bytes(63) + b"\1", FQ.to_bytes(32, "big") * 2):
        with pytest.raises(VerificationError):
            g1.decode(wrong)


# --- G2


@pytest.mark.parametrize("scalar", [1, 2, 3, FR - 1, *random_scalars(2, 2)])
def test_multiples_in_g2(scalar):
    point = g2.multiply(g2.GENERATOR, scalar)
    assert point == expected_g2(scalar)
    assert g2.decode(g2.encode(point)) == point


def test_sums_in_g2():
    a, b = expected_g2(5), expected_g2(8)
    assert g2.add(a, b) == expected_g2(13)
    assert g2.add(a, a) == expected_g2(10)
    assert g2.add(a, g2.negate(a)) is None
    assert g2.add(a, None) == g2.add(None, a) == a
    assert g2.decode(bytes(128)) is None


def outside_the_subgroup() -> tuple[tower.Fq2, tower.Fq2]:
    """A point of the twist that the generator does not reach: the first x that has a y."""
    for re in range(1, 100):
        x = (re, 1)
        y = square_root(tower.fq2_add(tower.fq2_mul(tower.fq2_mul(x, x), x), g2.B))
        if y is not None:
            return x, y
    raise AssertionError("no point found")


def square_root(a: tower.Fq2) -> tower.Fq2 | None:
    """In Fq2, by the norm: q = 3 mod 4."""

    def root(v: int) -> int | None:
        r = pow(v, (FQ + 1) // 4, FQ)
        return r if r * r % FQ == v % FQ else None

    norm = root(a[0] * a[0] + a[1] * a[1])
    for sign in (1, -1):
        if norm is None:
            return None
        re = root((a[0] + sign * norm) * pow(2, -1, FQ))
        if re:
            return re, a[1] * pow(2 * re, -1, FQ) % FQ
    return None


def test_points_outside_the_subgroup_are_refused():
    point = outside_the_subgroup()
    assert g2.is_on_curve(point)
    assert not g2.is_in_subgroup(point)
    with pytest.raises(VerificationError, match="outside the subgroup"):
        g2.decode(g2.encode(point))
    inside = g2.multiply(point, g2.COFACTOR)
    assert inside is not None
    assert g2.is_in_subgroup(inside)


def test_points_off_the_twist_are_refused():
    raw = bytearray(g2.encode(g2.GENERATOR))
    raw[127] ^= 1
    with pytest.raises(VerificationError, match="is not a point of BN254's G2"):
        g2.decode(bytes(raw))
    with pytest.raises(VerificationError, match="128 bytes"):
        g2.decode(bytes(raw[:127]))
    with pytest.raises(VerificationError, match="is not a point"):
        g2.decode(FQ.to_bytes(32, "big") * 4)


# --- the tower and the pairing


def element(seed: int) -> tower.Fq12:
    rng = random.Random(seed)
    pairs = [(rng.randrange(FQ), rng.randrange(FQ)) for _ in range(6)]
    return tuple(pairs)  # type: ignore[return-value]


def test_the_tower():
    a, b, c = element(1), element(2), element(3)
    assert tower.mul(a, tower.inverse(a)) == tower.ONE
    assert tower.square(a) == tower.mul(a, a)
    assert tower.mul(tower.mul(a, b), c) == tower.mul(a, tower.mul(b, c))
    line = (tower.FQ2_ONE, b[1], tower.FQ2_ZERO, b[3], tower.FQ2_ZERO, tower.FQ2_ZERO)
    assert tower.mul_line(a, b[1], b[3]) == tower.mul(a, line)
    power = tower.ONE
    for bit in f"{FQ:b}":
        power = tower.square(power)
        power = tower.mul(power, a) if bit == "1" else power
    assert tower.frobenius(a, 1) == power
    assert tower.frobenius(a, 2) == tower.frobenius(power, 1)
    assert tower.frobenius(a, 3) == tower.frobenius(tower.frobenius(a, 2), 1)
    assert tower.conjugate(a) == tower.frobenius(tower.frobenius(a, 3), 3)


@pytest.mark.parametrize("seed", range(3))
def test_products_of_three_pairings_agree_with_py_ecc(seed):
    """Right products are 1 for both, wrong ones for neither."""
    a, b, p, s = random_scalars(4, 100 + seed)
    for wrong in (0, 1):
        logs = [(p, a), (s, b), (-p * a - s * b + wrong, 1)]
        pairs = [(expected_g1(x), expected_g2(y)) for x, y in logs]
        assert is_product_one(pairs) is (wrong == 0)
        if seed == 0:
            total = FQ12.one()
            for x, y in logs:
                total *= pairing(multiply(E2, y % FR), multiply(E1, x % FR))
            assert (total == FQ12.one()) is (wrong == 0)


def test_identities_pair_to_one():
    point = g2.GENERATOR
    assert is_product_one([])
    assert is_product_one([(g1.IDENTITY, point), (g1.GENERATOR, None)])
    assert not is_product_one([(g1.IDENTITY, point), (g1.GENERATOR, point)])
    assert is_product_one([(g1.GENERATOR, point), (g1.negate(g1.GENERATOR), point)])
