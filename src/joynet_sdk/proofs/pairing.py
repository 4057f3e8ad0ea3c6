"""The optimal ate pairing of BN254 on the host, with the G2 side computed in advance.

The points of G2 that a verifier uses are fixed, so the slopes of their Miller loops are computed
once; all pairs of a check share the squarings and one final exponentiation. py_ecc is the reference
in tests. Sources: Vercauteren, "Optimal pairings", eprint 2008/096; Fuentes-Castaneda, Knapp and
Rodriguez-Henriquez, "Faster hashing to G2" (SAC 2011) for the final exponentiation.
"""

from collections.abc import Iterable
from functools import lru_cache

from joynet_sdk.proofs import g2
from joynet_sdk.proofs.field import FQ
from joynet_sdk.proofs.tower import (
    ONE,
    XI,
    Fq2,
    Fq12,
    conjugate,
    fq2_conjugate,
    fq2_mul,
    fq2_power,
    fq2_scale,
    fq2_sub,
    frobenius,
    inverse,
    mul,
    mul_line,
    square,
)

G1 = tuple[int, int]
"""Affine; (0, 0) is the identity."""

X = 4965661367192848881
"""The parameter of the curve."""

Line = tuple[Fq2, Fq2]
"""(-slope, slope * x - y): the line 1 + (-slope) (x_P / y_P) w + (slope x - y) (1 / y_P) w^3."""

_FROBENIUS_X = fq2_power(XI, (FQ - 1) // 3)
_FROBENIUS_Y = fq2_power(XI, (FQ - 1) // 2)


def _signed_digits(value: int) -> tuple[int, ...]:
    """Non-adjacent form, most significant digit first."""
    digits = []
    while value:
        digit = 2 - value % 4 if value % 2 else 0
        digits.append(digit)
        value = (value - digit) // 2
    return tuple(reversed(digits))


_LOOP = _signed_digits(6 * X + 2)[1:]


def is_product_one(pairs: Iterable[tuple[G1, g2.G2]]) -> bool:
    """Whether the product of e(P, Q) over the pairs is 1.

    Args:
        pairs: Points of G1 on the curve, points of G2 in the subgroup of order r. The lines of
            each point of G2 are computed at its first use and kept.
    """
    todo = []
    for p, q in pairs:
        if p == (0, 0) or q is None:
            continue
        over_y = pow(p[1], -1, FQ)
        todo.append((lines(q), p[0] * over_y % FQ, over_y))
    return not todo or _final_exponentiation(_miller(todo)) == ONE


def _miller(pairs: list[tuple[tuple[tuple[Line, ...], ...], int, int]]) -> Fq12:
    """Product of the Miller loops; each pair is (lines of Q, x_P / y_P, 1 / y_P)."""
    f = ONE
    last = len(_LOOP)  # the two additions of Frobenius images come after the loop
    for step in range(last + 1):
        if 0 < step < last:
            f = square(f)
        for steps, x_over_y, over_y in pairs:
            for slope, constant in steps[step]:
                f = mul_line(f, fq2_scale(slope, x_over_y), fq2_scale(constant, over_y))
    return f


@lru_cache(maxsize=64)
def lines(q: tuple[Fq2, Fq2]) -> tuple[tuple[Line, ...], ...]:
    """The lines of a point's Miller loop, step by step; the last step has the two of Frobenius.

    Args:
        q: A point of order r.
    """
    t: g2.G2 = q
    minus = g2.negate(q)
    steps = []
    for digit in _LOOP:
        here = [_line(t, t)]
        t = g2.add(t, t)
        if digit:
            other = q if digit > 0 else minus
            here.append(_line(t, other))
            t = g2.add(t, other)
        steps.append(tuple(here))
    first = _twisted_frobenius(q)
    second = g2.negate(_twisted_frobenius(first))
    final = (_line(t, first), _line(g2.add(t, first), second))
    return (*steps, final)


def _line(a: g2.G2, b: g2.G2) -> Line:
    assert a is not None and b is not None  # noqa: PT018  (multiples below r of a point of order r)
    slope = g2.chord(a, b)
    return (-slope[0] % FQ, -slope[1] % FQ), fq2_sub(fq2_mul(slope, a[0]), a[1])


def _twisted_frobenius(point: g2.G2) -> tuple[Fq2, Fq2]:
    assert point is not None
    x, y = point
    return fq2_mul(fq2_conjugate(x), _FROBENIUS_X), fq2_mul(fq2_conjugate(y), _FROBENIUS_Y)


def _final_exponentiation(f: Fq12) -> Fq12:
    """f^((q^12 - 1) / r), up to a fixed power that is prime to r."""
    f = mul(conjugate(f), inverse(f))  # q^6 - 1
    f = mul(frobenius(f, 2), f)  # q^2 + 1; from here on the conjugate is the inverse
    f2x = square(_to_the_x(f))
    f6x = mul(square(f2x), f2x)
    f6xx = _to_the_x(f6x)
    f12xxx = _to_the_x(square(f6xx))
    a = mul(mul(f12xxx, f6xx), f6x)
    b = mul(a, conjugate(f2x))
    result = mul(mul(a, f6xx), f)
    result = mul(result, frobenius(b, 1))
    result = mul(result, frobenius(a, 2))
    return mul(result, frobenius(mul(b, conjugate(f)), 3))


_X_DIGITS = _signed_digits(X)[1:]


def _to_the_x(f: Fq12) -> Fq12:
    """f^X for f whose inverse is its conjugate."""
    minus = conjugate(f)
    result = f
    for digit in _X_DIGITS:
        result = square(result)
        if digit:
            result = mul(result, f if digit > 0 else minus)
    return result
