"""The group G2 of BN254: the subgroup of order r of the twist y^2 = x^3 + 3/(9 + i) over Fq2.

Affine points of plain integers; None is the identity. What is done here is done a few times per
SRS, so clarity goes before speed.
"""

from joynet_sdk.errors import VerificationError
from joynet_sdk.proofs.field import FQ, FR
from joynet_sdk.proofs.tower import (
    XI,
    Fq2,
    fq2_add,
    fq2_inverse,
    fq2_mul,
    fq2_scale,
    fq2_sub,
)

G2 = tuple[Fq2, Fq2] | None
"""An affine point (x, y), or None for the identity."""

POINT_BYTES = 128
COFACTOR = 2 * FQ - FR
B = fq2_mul((3, 0), fq2_inverse(XI))
GENERATOR = (
    (
        10857046999023057135944570762232829481370756359578518086990519993285655852781,
        11559732032986387107991004021392285783925812861821192530917403151452391805634,
    ),
    (
        8495653923123431417604973247489272438418190587263600148770280649306958101930,
        4082367875863433681332203403145435568316851327593401208105741076214120093531,
    ),
)
"""The generator of EIP-197."""


def is_on_curve(point: G2) -> bool:
    """Whether the coordinates are reduced and satisfy the curve equation."""
    if point is None:
        return True
    x, y = point
    if not all(0 <= c < FQ for c in (*x, *y)):
        return False
    return fq2_mul(y, y) == fq2_add(fq2_mul(fq2_mul(x, x), x), B)


def is_in_subgroup(point: G2) -> bool:
    """Whether the order of a point of the curve divides r. The curve has others (cofactor 2q - r).

    The multiplication is by r itself, so nothing has to be argued about endomorphisms.
    """
    return multiply(point, FR) is None


def add(a: G2, b: G2) -> G2:
    """a + b."""
    if a is None or b is None:
        return b if a is None else a
    if a[0] == b[0] and a[1] != b[1]:
        return None
    slope = chord(a, b)
    x = fq2_sub(fq2_mul(slope, slope), fq2_add(a[0], b[0]))
    return x, fq2_sub(fq2_mul(slope, fq2_sub(a[0], x)), a[1])


def chord(a: tuple[Fq2, Fq2], b: tuple[Fq2, Fq2]) -> Fq2:
    """Slope of the line through a and b, of the tangent when they are equal; b is not -a."""
    if a == b:  # y is not zero: the group has odd order
        top, bottom = fq2_scale(fq2_mul(a[0], a[0]), 3), fq2_add(a[1], a[1])
    else:
        top, bottom = fq2_sub(b[1], a[1]), fq2_sub(b[0], a[0])
    return fq2_mul(top, fq2_inverse(bottom))


def negate(point: G2) -> G2:
    """-point."""
    return None if point is None else (point[0], (-point[1][0] % FQ, -point[1][1] % FQ))


def multiply(point: G2, scalar: int) -> G2:
    """point times an integer >= 0, not reduced mod r."""
    result: G2 = None
    for bit in f"{scalar:b}":
        result = add(result, result)
        if bit == "1":
            result = add(result, point)
    return result


def encode(point: G2) -> bytes:
    """128 bytes as EIP-197 has them: x.im, x.re, y.im, y.re, big-endian; zeros: the identity."""
    if point is None:
        return bytes(POINT_BYTES)
    (x_re, x_im), (y_re, y_im) = point
    return b"".join(c.to_bytes(32, "big") for c in (x_im, x_re, y_im, y_re))


def parse(raw: bytes) -> G2:
    """The point of 128 bytes, on the curve; for bytes whose subgroup was checked before.

    Raises:
        VerificationError: Wrong length, a coordinate >= q, or off the curve.
    """
    if len(raw) != POINT_BYTES:
        raise VerificationError(f"a point of G2 has {POINT_BYTES} bytes, got {len(raw)}")
    x_im, x_re, y_im, y_re = (int.from_bytes(raw[i : i + 32], "big") for i in range(0, 128, 32))
    if not x_im | x_re | y_im | y_re:
        return None
    point = ((x_re, x_im), (y_re, y_im))
    if not is_on_curve(point):
        raise VerificationError(f"0x{raw[:8].hex()}.. is not a point of BN254's G2")
    return point


def decode(raw: bytes) -> G2:
    """The point of 128 bytes, on the curve and in the subgroup.

    Raises:
        VerificationError: As for `parse`, or outside the subgroup.
    """
    point = parse(raw)
    if not is_in_subgroup(point):
        raise VerificationError(f"0x{raw[:8].hex()}.. is outside the subgroup of order r")
    return point
