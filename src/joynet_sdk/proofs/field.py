"""The two prime fields of BN254 on the host: the reference of kernels/bn254_field.cl.

A vector of n elements is an (n, 4) uint64 array: canonical (below the modulus, not Montgomery)
little-endian limbs. Devices keep x * 2^256 mod p.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from joynet_sdk.errors import InvalidInputError

FR = 21888242871839275222246405745257275088548364400416034343698204186575808495617
"""Order of the groups: the modulus of scalars."""

FQ = 21888242871839275222246405745257275088696311157297823662689037894645226208583
"""Modulus of the coordinates of points."""

LIMBS = 4
ELEMENT_BYTES = 32
MONTGOMERY_BITS = 256

Limbs = NDArray[np.uint64]


def to_limbs(values: Iterable[int]) -> Limbs:
    """Integers in [0, 2^256) -> (n, 4) uint64.

    Raises:
        InvalidInputError: A value is negative or has more than 256 bits.
    """
    try:
        raw = b"".join([value.to_bytes(ELEMENT_BYTES, "little") for value in values])
    except OverflowError:
        raise InvalidInputError("a field element is outside [0, 2^256)") from None
    return np.frombuffer(raw, np.dtype("<u8")).reshape(-1, LIMBS).astype(np.uint64)


def from_limbs(limbs: Limbs) -> list[int]:
    """(n, 4) uint64 -> integers."""
    raw = check_limbs(limbs).astype("<u8").tobytes()
    size = ELEMENT_BYTES
    return [int.from_bytes(raw[i : i + size], "little") for i in range(0, len(raw), size)]


def check_limbs(limbs: Limbs) -> Limbs:
    """`limbs` itself.

    Raises:
        InvalidInputError: It is not an (n, 4) uint64 array.
    """
    if limbs.ndim != 2 or limbs.shape[1] != LIMBS or limbs.dtype != np.uint64:
        raise InvalidInputError(
            f"field elements of shape {limbs.shape} {limbs.dtype}, expected (n, 4) uint64"
        )
    return limbs


def limbs_of_small(values: NDArray[np.int64], modulus: int = FR) -> Limbs:
    """(n,) int64 -> (n, 4) uint64; -x becomes modulus - x."""
    negative = values < 0
    limbs = np.zeros((len(values), LIMBS), np.uint64)
    limbs[:, 0] = np.where(negative, -(values.astype(np.uint64)), values.astype(np.uint64))
    if negative.any():
        size = limbs[negative, 0]
        words = [np.uint64(modulus >> (64 * i) & (2**64 - 1)) for i in range(LIMBS)]
        borrow = size > words[0]
        limbs[negative, 0] = words[0] - size
        for i in range(1, LIMBS):  # the modulus has no zero word, so one borrow is all
            limbs[negative, i] = words[i] - borrow.astype(np.uint64)
            borrow = np.zeros_like(borrow)
    return limbs


def to_montgomery(value: int, modulus: int = FR) -> int:
    """value * 2^256 mod modulus: how devices keep it."""
    return (value << MONTGOMERY_BITS) % modulus


def from_montgomery(value: int, modulus: int = FR) -> int:
    """The inverse of `to_montgomery`."""
    return value * pow(2, -MONTGOMERY_BITS, modulus) % modulus


def batch_inverse(values: Sequence[int], modulus: int = FR) -> list[int]:
    """1/x for each value, with one inversion in all; 0 for 0.

    Source: Montgomery 1987, "Speeding the Pollard and elliptic curve methods", section 10.3.1.
    """
    products, running = [], 1
    for value in values:
        products.append(running)
        running = running * (value or 1) % modulus
    inverse = pow(running, -1, modulus)
    result = [0] * len(values)
    for i in range(len(values) - 1, -1, -1):
        if values[i]:
            result[i] = inverse * products[i] % modulus
            inverse = inverse * values[i] % modulus
    return result
