"""Powers of tau from a ceremony: the `.ptau` files of snarkjs.

A file is "ptau", u32 version 1, u32 number of sections, then sections: u32 type, u64 size, content;
all little-endian. Used here: 1 (u32 bytes of a coordinate, the prime, u32 power, u32 power of the
ceremony), 2 ([tau^i]_1, 2^(power+1) - 1 points), 3 ([tau^i]_2, 2^power points). Coordinates are in
Montgomery form with R = 2^256. Nothing that a file says is believed.
Source: snarkjs, powersoftau_utils.js and powersoftau_new.js.
"""

import secrets
import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np

from joynet_sdk.errors import InvalidInputError, VerificationError
from joynet_sdk.paths import file_errors
from joynet_sdk.proofs import g1, g2
from joynet_sdk.proofs.field import FQ, from_limbs
from joynet_sdk.proofs.msm import Msm
from joynet_sdk.proofs.pairing import is_product_one
from joynet_sdk.proofs.runtime import Runtime
from joynet_sdk.proofs.srs_powers import POINT_BYTES, Points, checked, from_points

MAGIC = b"ptau"
MIN_POWER, MAX_POWER = 2, 28
MAX_SECTIONS = 64
_HINT = "download the file again; expected a .ptau of curve bn128 (BN254)"


def load(
    runtime: Runtime, path: Path, power: int | None = None
) -> tuple[Points, tuple[g2.G2, ...]]:
    """Read the first powers of a file and verify them.

    Args:
        runtime: Does the sums.
        path: A `.ptau` file.
        power: Take 2^power points of G1; None for all that the file has points of G2 for.

    Returns:
        [tau^i]_1 for i < n, canonical, and [tau^(2^j)]_2 for every 2^j < n.

    Raises:
        InvalidInputError: The file is truncated, of another format or curve, or has fewer powers.
        VerificationError: Its points are not the powers of one tau.
        ConfigError: It cannot be read, or does not fit the device.
    """
    with file_errors(path), path.open("rb") as file:
        sections = _sections(file)
        most = _power(file, sections)
        wanted = most if power is None else power
        if not MIN_POWER <= wanted <= most:
            raise InvalidInputError(
                f"2^{wanted} points wanted, {path.name} has 2^{most}",
                hint=f"a power from {MIN_POWER} to {most}, or another file",
            )
        points_at = _section(file, sections, 2, ((2 << most) - 1) * POINT_BYTES)
        tau_at = _section(file, sections, 3, g2.POINT_BYTES << most)
        powers = tuple(_g2_point(file, tau_at + (g2.POINT_BYTES << j)) for j in range(wanted))
        raw = np.memmap(file, "<u8", "r", points_at, (1 << wanted, 8))
    points = checked(runtime, raw)
    _verify(runtime, points, powers)
    return points, powers


def _verify(runtime: Runtime, points: Points, tau_powers: tuple[g2.G2, ...]) -> None:
    """Whether the points are the powers of one tau, in both groups.

    e(sum rho_i P_(i+1), H) = e(sum rho_i P_i, [tau]_2) for random rho of 128 bits: powers of
    another kind pass with chance 2^-127. e(P_(2^j), H) = e(G, [tau^(2^j)]_2) for every j.
    """
    for j, point in enumerate(tau_powers):
        if point is None or not g2.is_on_curve(point) or not g2.is_in_subgroup(point):
            raise VerificationError(f"[tau^{2**j}]_2 is not a point of BN254's G2")
    if tau_powers[0] == g2.GENERATOR:
        raise VerificationError(
            "tau is 1: nobody has contributed to this file", hint="take a later file"
        )
    if from_points(points[:1]) != [g1.GENERATOR]:
        raise VerificationError("the first point is not the generator of G1")
    rho = np.zeros((len(points) + 1, 4), np.uint64)
    rho[1:-1, :2] = np.frombuffer(secrets.token_bytes(16 * (len(points) - 1)), "<u8").reshape(-1, 2)
    low, high = Msm(runtime, points).run_many([rho[1:], rho[:-1]])
    if not is_product_one([(high, g2.GENERATOR), (g1.negate(low), tau_powers[0])]):
        raise VerificationError("the points of G1 are not the powers of tau")
    for j, point in enumerate(tau_powers):
        (known,) = from_points(points[2**j : 2**j + 1])
        if not is_product_one([(known, g2.GENERATOR), (g1.negate(g1.GENERATOR), point)]):
            raise VerificationError(f"[tau^{2**j}]_2 is not the power that G1 has")


def _power(file: BinaryIO, sections: dict[int, tuple[int, int]]) -> int:
    """Log2 of the number of points, from section 1."""
    at, length = sections.get(1, (0, 0))
    file.seek(at)
    raw = file.read(min(length, 256))
    width = int.from_bytes(raw[:4], "little")
    if width != 32 or int.from_bytes(raw[4:36], "little") != FQ:
        raise InvalidInputError(
            f"{file.name} is of another curve: a field of {8 * width} bits, "
            f"prime 0x{raw[4 : 4 + width][::-1].hex()}",
            hint=_HINT,
        )
    _section(file, sections, 1, 4 + 32 + 8)
    power, _ = struct.unpack("<II", raw[36:])
    if not MIN_POWER <= power <= MAX_POWER:
        raise InvalidInputError(
            f"{file.name} has 2^{power} powers, expected 2^{MIN_POWER} to 2^{MAX_POWER}", hint=_HINT
        )
    return int(power)


def _section(file: BinaryIO, sections: dict[int, tuple[int, int]], kind: int, length: int) -> int:
    """Where a section starts; it has exactly `length` bytes."""
    at, found = sections.get(kind, (0, 0))
    if found != length:
        raise InvalidInputError(
            f"section {kind} of {file.name} has {found} bytes, expected {length}", hint=_HINT
        )
    return at


def _g2_point(file: BinaryIO, at: int) -> g2.G2:
    """A point of section 3: x.re, x.im, y.re, y.im in Montgomery form; not yet checked."""
    file.seek(at)
    values = from_limbs(np.frombuffer(file.read(g2.POINT_BYTES), "<u8").reshape(4, 4))
    if any(value >= FQ for value in values):
        raise VerificationError(f"{file.name} has a coordinate >= q at byte {at}")
    inverse = pow(1 << 256, -1, FQ)
    x_re, x_im, y_re, y_im = (value * inverse % FQ for value in values)
    if not x_re | x_im | y_re | y_im:
        return None
    return (x_re, x_im), (y_re, y_im)


def _sections(file: BinaryIO) -> dict[int, tuple[int, int]]:
    """Type -> (offset, length) of the first section of each type."""
    size = file.seek(0, 2)
    file.seek(0)
    raw = file.read(12)
    if len(raw) < 12 or raw[:4] != MAGIC:
        raise InvalidInputError(f"{file.name} is no .ptau file", hint=_HINT)
    version, count = struct.unpack("<II", raw[4:])
    if version != 1 or not 3 <= count <= MAX_SECTIONS:
        raise InvalidInputError(
            f"{file.name} has version {version} and {count} sections, expected version 1 and 3 "
            f"to {MAX_SECTIONS}",
            hint=_HINT,
        )
    sections: dict[int, tuple[int, int]] = {}
    at = 12
    for _ in range(count):
        file.seek(at)
        head = file.read(12)
        if len(head) < 12:
            raise InvalidInputError(f"{file.name} is truncated after {at} bytes", hint=_HINT)
        kind, length = struct.unpack("<IQ", head)
        if at + 12 + length > size:
            raise InvalidInputError(
                f"{file.name} is truncated: section {kind} needs {length} bytes, "
                f"{size - at - 12} are there",
                hint=_HINT,
            )
        sections.setdefault(kind, (at + 12, length))
        at += 12 + length
    return sections
