"""Short polynomials over Fr as lists of integers, constant coefficient first.

The opening's small tier (about sqrt(N) coefficients) lives here; what has N coefficients is the
device's (vectors.py).
"""

from collections.abc import Iterable, Sequence

from joynet_sdk.proofs.field import FR

Coefficients = list[int]


def evaluate(coefficients: Sequence[int], x: int) -> int:
    """Value at x, by Horner."""
    value = 0
    for coefficient in reversed(coefficients):
        value = (value * x + coefficient) % FR
    return value


def linear(terms: Iterable[tuple[int, Sequence[int]]], length: int) -> Coefficients:
    """The sum of factor * polynomial; no polynomial is longer than `length`."""
    total = [0] * length
    for factor, coefficients in terms:
        for i, coefficient in enumerate(coefficients):
            total[i] += factor * coefficient
    return [value % FR for value in total]


def divide_linear(coefficients: Sequence[int], x: int) -> Coefficients:
    """Quotient by (X - x); the remainder, the value at x, is dropped."""
    quotient = []
    carry = 0
    for coefficient in reversed(coefficients[1:]):
        carry = (carry * x + coefficient) % FR
        quotient.append(carry)
    return quotient[::-1]


def times_binomials(
    coefficients: Sequence[int], binomials: Sequence[tuple[int, int]]
) -> Coefficients:
    """The product with prod_j (c_j + d_j X^(2^j)), in 2 log steps instead of a convolution."""
    product = list(coefficients)
    for j, (low, high) in enumerate(binomials):
        gap = [0] * 2**j
        product = [
            (low * a + high * b) % FR for a, b in zip(product + gap, gap + product, strict=True)
        ]
    return product
