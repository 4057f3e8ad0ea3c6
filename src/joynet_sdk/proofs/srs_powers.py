"""The work on an SRS that grows with its size: powers of tau, and checks of points. On the device.

Points are (n, 8) uint64, x then y in little-endian limbs, (0, 0) for the identity: canonical, or in
Montgomery form where it says so.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joynet_sdk.errors import VerificationError
from joynet_sdk.proofs import g1
from joynet_sdk.proofs.field import FQ, FR, from_limbs, to_limbs, to_montgomery
from joynet_sdk.proofs.runtime import Runtime

FILES = ("bn254_field", "bn254_curve", "srs")
POINT_BYTES = 64
STEP = 1 << 16  # points made or checked at a time, which bounds memory
_PER_ITEM = {True: 1024, False: 64}  # sums that share an inversion, on a CPU and elsewhere
_SCALAR_BITS = 256

Points = NDArray[np.uint64]
u32 = np.uint32


def from_points(points: Points) -> list[g1.G1]:
    """(n, 8) uint64, canonical -> affine points."""
    values = from_limbs(np.ascontiguousarray(points, np.uint64).reshape(-1, 4))
    return list(zip(values[::2], values[1::2], strict=True))


def powers(runtime: Runtime, tau: int, first: int, count: int) -> Iterator[Points]:
    """[tau^i]_1 for first <= i < first + count, at most STEP points at a time.

    Args:
        runtime: The device.
        tau: In [1, r).
        first: First exponent.
        count: Points, >= 1.
    """
    bits = _digit_bits(count)
    windows = -(-_SCALAR_BITS // bits)
    table = runtime.upload(_table(bits, windows))
    shift = sum(1 << (bits * (w + 1) - 1) for w in range(_SCALAR_BITS // bits))
    scalars_of = runtime.kernel("srs_scalars", *FILES)
    add_window = runtime.kernel("srs_add_window", *FILES)
    for start in range(first, first + count, STEP):
        length = min(STEP, first + count - start)
        shape = (u32(length), u32(_PER_ITEM[runtime.is_cpu]))
        sums = runtime.upload(np.zeros((length, 8), np.uint64))
        scalars, products = runtime.empty(length * 32), runtime.empty(length * 32)
        numbers = (to_montgomery(tau), to_montgomery(pow(tau, start, FR)), shift)
        constants = [word for number in numbers for word in to_limbs([number])[0]]
        _launch(runtime, scalars_of, length, scalars, *shape, *constants)
        for window in range(windows):
            where = (u32(window), u32(bits), *shape)
            _launch(runtime, add_window, length, sums, scalars, table, products, *where)
        _launch(runtime, runtime.kernel("srs_to_canonical", *FILES), length, sums, *shape)
        yield runtime.download(sums, (length, 8), np.uint64)


def _launch(runtime: Runtime, kernel: Any, length: int, *arguments: Any) -> None:
    """Whole groups of one size: pocl compiles a kernel anew for every size of a group."""
    group = 1 if runtime.is_cpu else 64
    items = -(-length // (_PER_ITEM[runtime.is_cpu] * group)) * group
    runtime.launch(kernel, items, *arguments, group=group)


def _digit_bits(count: int) -> int:
    """Width of a digit: an entry of the host's table costs as much as 20 additions."""
    return min(
        range(4, 15),
        key=lambda bits: -(-_SCALAR_BITS // bits) * (count + 20 * 2 ** (bits - 1)),
    )


def _table(bits: int, windows: int) -> Points:
    """1 .. 2^(bits-1) times 2^(bits w) G, window by window, in Montgomery form."""
    rows: list[g1.G1] = []
    base = g1.GENERATOR
    for _ in range(windows):
        multiples = [base]
        while len(multiples) < 1 << (bits - 1):
            multiples += _add_to_all(multiples, multiples[-1])
        rows += multiples
        base = _add_to_all([multiples[-1]], multiples[-1])[0]
    return to_limbs([to_montgomery(c, FQ) for point in rows for c in point]).reshape(-1, 8)


def _add_to_all(points: list[g1.G1], addend: g1.G1) -> list[g1.G1]:
    """point + addend for points that are no negative of it, with one inversion."""
    x2, y2 = addend
    bottoms = [x2 - x if x != x2 else 2 * y for x, y in points]
    prefix = [1]
    for bottom in bottoms:
        prefix.append(prefix[-1] * bottom % FQ)
    inverse = pow(prefix[-1], -1, FQ)
    sums = []
    for (x, y), bottom, before in zip(
        reversed(points), reversed(bottoms), reversed(prefix[:-1]), strict=True
    ):
        top = y2 - y if x != x2 else 3 * x * x
        slope = top * inverse * before % FQ
        inverse = inverse * bottom % FQ
        x3 = (slope * slope - x - x2) % FQ
        sums.append((x3, (slope * (x - x3) - y) % FQ))
    return sums[::-1]


def checked(runtime: Runtime, points: Points) -> Points:
    """The canonical form of points, each on the curve, reduced and not the identity.

    Args:
        runtime: The device.
        points: In Montgomery form; may be mapped from a file.

    Raises:
        VerificationError: One is not on the curve; names its index.
    """
    out = np.empty((len(points), 8), np.uint64)
    found: Any = runtime.upload(np.zeros(1, u32))
    check, convert = (runtime.kernel(name, *FILES) for name in ("srs_check", "srs_to_canonical"))
    for start in range(0, len(points), STEP):
        part = runtime.upload(np.ascontiguousarray(points[start : start + STEP], np.uint64))
        length = min(STEP, len(points) - start)
        shape = (u32(length), u32(_PER_ITEM[runtime.is_cpu]))
        _launch(runtime, check, length, part, *shape, u32(start), found)
        _launch(runtime, convert, length, part, *shape)
        index = int(runtime.download(found, 1, u32)[0]) - 1
        if index >= 0:
            raise VerificationError(f"[tau^{index}]_1 is not a point of BN254")
        out[start : start + length] = runtime.download(part, (length, 8), np.uint64)
    return out
