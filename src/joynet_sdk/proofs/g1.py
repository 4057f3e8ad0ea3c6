"""The group G1 of BN254, y^2 = x^3 + 3 over Fq, on the host: encoding, checks, short sums.

Long sums are the device's (msm.py); the sums here are a verifier's, a dozen points. Sources:
hyperelliptic.org/EFD, Jacobian coordinates for a = 0; Moller, "Algorithms for multi-exponentiation"
(SAC 2001), interleaving with signed digits.
"""

from collections.abc import Iterable

from joynet_sdk.errors import VerificationError
from joynet_sdk.proofs.field import FQ, FR

G1 = tuple[int, int]
"""An affine point; (0, 0), which is off the curve, stands for the identity."""

Jacobian = tuple[int, int, int]
"""(x / z^2, y / z^3); z = 0 is the identity."""

IDENTITY: G1 = (0, 0)
GENERATOR: G1 = (1, 2)
POINT_BYTES = 64
_INFINITY: Jacobian = (1, 1, 0)
_WINDOW = 5  # 8 odd multiples a point


def is_on_curve(point: G1) -> bool:
    """Whether a point is the identity, or is reduced and satisfies the curve equation.

    The curve has prime order: every point on it is in the group.
    """
    x, y = point
    return point == IDENTITY or (0 <= x < FQ and 0 <= y < FQ and (y * y - x * x * x - 3) % FQ == 0)


def encode(point: G1) -> bytes:
    """x || y, 32 bytes each, big-endian; 64 zero bytes for the identity (EIP-196)."""
    return point[0].to_bytes(32, "big") + point[1].to_bytes(32, "big")


def decode(raw: bytes) -> G1:
    """The point of 64 bytes.

    Raises:
        VerificationError: Wrong length, a coordinate >= q, or off the curve.
    """
    if len(raw) != POINT_BYTES:
        raise VerificationError(f"a point has {POINT_BYTES} bytes, got {len(raw)}")
    point = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
    if not is_on_curve(point):
        raise VerificationError(f"0x{raw[:8].hex()}.. is not a point of BN254")
    return point


def negate(point: G1) -> G1:
    """-point."""
    return point[0], -point[1] % FQ


def multiply(point: G1, scalar: int) -> G1:
    """point times an integer, taken mod r."""
    return combine([(scalar, point)])


def combine(terms: Iterable[tuple[int, G1]]) -> G1:
    """The sum of scalar * point over the terms; scalars are taken mod r.

    Args:
        terms: Points on the curve; equal points, negatives and identities are fine.
    """
    columns: dict[int, list[Jacobian]] = {}
    for scalar, point in terms:
        if point != IDENTITY:
            _interleave(columns, scalar % FR, point)
    total = _INFINITY
    for position in range(max(columns, default=0), -1, -1):
        total = _double(total)
        for addend in columns.get(position, ()):
            total = _add(total, addend)
    return _affine(total)


def _interleave(columns: dict[int, list[Jacobian]], scalar: int, point: G1) -> None:
    """Note what one term adds at each bit position: signed odd digits, at least 5 apart."""
    base = (*point, 1)
    twice = _double(base)
    odd = [base]
    for _ in range(2 ** (_WINDOW - 2) - 1):
        odd.append(_add(odd[-1], twice))
    position = 0
    while scalar:
        if scalar % 2:
            digit = scalar % 2**_WINDOW
            if digit >= 2 ** (_WINDOW - 1):
                digit -= 2**_WINDOW
            scalar -= digit
            x, y, z = odd[abs(digit) // 2]
            columns.setdefault(position, []).append((x, y if digit > 0 else FQ - y, z))
        scalar //= 2
        position += 1


def _double(p: Jacobian) -> Jacobian:
    x, y, z = p
    yy = y * y % FQ
    s = 4 * x * yy % FQ
    m = 3 * x * x % FQ
    x3 = (m * m - 2 * s) % FQ
    return x3, (m * (s - x3) - 8 * yy * yy) % FQ, 2 * y * z % FQ


def _add(p: Jacobian, q: Jacobian) -> Jacobian:
    x1, y1, z1 = p
    x2, y2, z2 = q
    if not z1 or not z2:
        return q if not z1 else p
    z1z1, z2z2 = z1 * z1 % FQ, z2 * z2 % FQ
    u1, s1 = x1 * z2z2 % FQ, y1 * z2 * z2z2 % FQ
    h, t = (x2 * z1z1 - u1) % FQ, (y2 * z1 * z1z1 - s1) % FQ
    if not h:
        return _INFINITY if t else _double(p)
    hh = h * h % FQ
    hhh, v = h * hh % FQ, u1 * hh % FQ
    x3 = (t * t - hhh - 2 * v) % FQ
    return x3, (t * (v - x3) - s1 * hhh) % FQ, z1 * z2 * h % FQ


def _affine(p: Jacobian) -> G1:
    x, y, z = p
    if not z:
        return IDENTITY
    inverse = pow(z, -1, FQ)
    square = inverse * inverse % FQ
    return x * square % FQ, y * square * inverse % FQ
