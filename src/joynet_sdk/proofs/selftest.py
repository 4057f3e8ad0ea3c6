"""Does this device compute what the reference computes? One check for each kernel file.

A check runs kernels on awkward values and compares with plain Python. To add one, append to
`SELFTESTS` here; `joynet proof kernels selftest` runs them all.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from joynet_sdk.errors import JoyNetError, VerificationError
from joynet_sdk.proofs import g1, selftest_protocol
from joynet_sdk.proofs.comparison import expect_equal
from joynet_sdk.proofs.field import FQ, FR, MONTGOMERY_BITS, from_limbs, to_limbs
from joynet_sdk.proofs.runtime import Runtime

OPERATIONS: dict[str, int] = {
    "mul": 0, "sqr": 1, "add": 2, "sub": 3, "neg": 4, "inv": 5, "from_u64": 6, "from_i64": 7,
    "is_zero": 8, "eq": 9, "sum": 11,
}  # fmt: skip
"""What kernels/field_check.cl can do."""

FIELD_PATHS = (128, 32)  # 33 is for NVIDIA only


@dataclass(frozen=True)
class Check:
    """One comparison of a device with the reference.

    Attributes:
        name: What is checked, usually a kernel file.
        run: Raises VerificationError, naming the first difference, when the device is wrong.
    """

    name: str
    run: Callable[[Runtime], None]


@dataclass(frozen=True)
class Outcome:
    """What one check found.

    Attributes:
        name: The check's.
        is_passed: Whether the device agrees with the reference.
        detail: The first difference, or why the check could not run; "" when passed.
        seconds: Wall time, compilation included.
    """

    name: str
    is_passed: bool
    detail: str
    seconds: float


def run_selftests(runtime: Runtime) -> Iterator[Outcome]:
    """Run every check on a device, one after the other."""
    for check in SELFTESTS:
        start = perf_counter()
        try:
            check.run(runtime)
            detail = ""
        except JoyNetError as error:
            detail = str(error)
        yield Outcome(check.name, not detail, detail, perf_counter() - start)


# --- fields


def edge_values(modulus: int) -> list[int]:
    """Values where carries and reductions go wrong, any 256-bit integers."""
    powers = [1 << k for k in (29, 52, 63, 64, 104, 128, 192, 253)]
    near = [modulus, modulus - 1, modulus // 2, modulus + 1, 2 * modulus, 4 * modulus]
    return [0, 1, 2, *near, (1 << 256) - 1, *powers, *(power - 1 for power in powers)]


def field_vectors(modulus: int, count: int) -> tuple[list[int], list[int]]:
    """Two vectors of `count` values: pairs of edge values, then random ones."""
    rng = random.Random(count)
    edges = edge_values(modulus)
    pairs = [(a, b) for a in edges for b in edges]
    pairs += [(rng.getrandbits(256), rng.getrandbits(256)) for _ in range(count)]
    pairs = pairs[-count:] if count < len(edges) ** 2 else pairs[:count]
    return [a for a, _ in pairs], [b for _, b in pairs]


def reference(operation: str, a: int, b: int, modulus: int) -> int:
    """What the kernel of that name gives for canonical or 256-bit inputs."""
    word = a & (2**64 - 1)
    results: dict[str, Callable[[], int]] = {
        "mul": lambda: a * b,
        "sqr": lambda: a * a,
        "add": lambda: a + b,
        "sub": lambda: a - b,
        "neg": lambda: -a,
        "inv": lambda: pow(a, -1, modulus) if a % modulus else 0,
        "from_u64": lambda: word,
        "from_i64": lambda: word - (word >> 63 << 64),
        "is_zero": lambda: int(a % modulus == 0),
        "eq": lambda: int((a - b) % modulus == 0),
    }
    return results[operation]() % modulus


def check_field(runtime: Runtime, path: int | None = None) -> None:
    """Every function of bn254_field.cl, on one multiply path (None: the device's own)."""
    defines = {} if path is None else {"FIELD_PATH": path}
    for name, modulus in (("fr", FR), ("fq", FQ)):
        left, right = field_vectors(modulus, 1024)
        kernel = runtime.kernel(f"{name}_check", "bn254_field", "field_check", defines=defines)
        buffers = [runtime.upload(to_limbs(side)) for side in (left, right)]
        out = runtime.empty(buffers[0].size)
        for operation, code in OPERATIONS.items():
            if code > OPERATIONS["eq"]:
                continue
            runtime.launch(kernel, len(left), *buffers, out, np.uint32(code), np.uint32(1), group=1)
            found = from_limbs(runtime.download(out, (len(left), 4), np.uint64))
            expected = [
                reference(operation, a, b, modulus) for a, b in zip(left, right, strict=True)
            ]
            expect_equal(f"{name}_{operation}", found, expected)


def check_lanes(runtime: Runtime, bits: int | None = None) -> None:
    """bn254_lanes.cl, with limbs of so many bits (None: the device's own)."""
    defines = {} if bits is None else {"LANE_BITS": bits}
    files = ("bn254_field", "bn254_lanes", "field_check")
    for name, modulus in (("fr", FR), ("fq", FQ)):
        left, right = ([v % modulus for v in side] for side in field_vectors(modulus, 1024))
        kernel = runtime.kernel(f"{name}_lanes_check", *files, defines=defines)
        buffers = [runtime.upload(to_limbs(side)) for side in (left, right)]
        out = runtime.empty(buffers[0].size)
        shrink = pow(2, -MONTGOMERY_BITS, modulus)
        sums = [sum(left[i // 8 * 8 : i // 8 * 8 + 8]) % modulus for i in range(len(left))]
        for operation in ("mul", "add", "sub", "is_zero", "sum"):
            code = np.uint32(OPERATIONS[operation])
            items = len(left) // 8
            runtime.launch(kernel, items, *buffers, out, code, np.uint32(1), group=1)
            found = from_limbs(runtime.download(out, (len(left), 4), np.uint64))
            expected = sums
            if operation != "sum":
                factor = shrink if operation == "mul" else 1
                pairs = zip(left, right, strict=True)
                expected = [
                    reference(operation, a, b, modulus) * factor % modulus for a, b in pairs
                ]
            expect_equal(f"{name} lanes, {operation}", found, expected)


# --- sums of points


def check_msm(runtime: Runtime, threads: bool | None = None) -> None:
    """msm_*.cl: random points with repeated, opposite and absent ones among them."""
    from joynet_sdk.proofs.msm import Msm

    rng = random.Random(1)
    base = [g1.multiply(g1.GENERATOR, rng.randrange(FR)) for _ in range(24)]
    points = [*base, *[g1.IDENTITY] * 3, *base[:5], *map(g1.negate, base[3:9]), *base[:1] * 9]
    count = len(points)
    vectors = [
        [rng.randrange(FR) for _ in points],
        [FR - 1] * count,
        [1] * count,
        [0] * (count - 1) + [5],
        [rng.choice((0, 1, 2, FR - 1, FR // 2)) for _ in points],
    ]
    limbs = to_limbs([c for point in points for c in point]).reshape(-1, 8)
    msm = Msm(runtime, limbs, threads=threads)
    for vector in vectors:
        if msm.run(to_limbs(vector)) != g1.combine(zip(vector, points, strict=True)):
            raise VerificationError(f"the sum of scalars {vector[:2]}... is another point")
    small = np.array([rng.randrange(-128, 128) for _ in points])
    terms = zip((int(v) for v in small), points, strict=True)
    if msm.run_small(small) != g1.combine(terms):
        raise VerificationError("the sum of small scalars is another point")


SELFTESTS: list[Check] = [
    Check("bn254_field", check_field),
    Check("bn254_lanes", check_lanes),
    Check("msm", check_msm),
    Check("msm, shape of GPUs", lambda runtime: check_msm(runtime, threads=True)),
    Check("vectors", selftest_protocol.check_vectors),
    Check("sumcheck", selftest_protocol.check_sumcheck),
    Check("logup", selftest_protocol.check_logup),
    Check("tables", selftest_protocol.check_tables),
    Check("keccak", selftest_protocol.check_keccak),
    Check("srs", selftest_protocol.check_srs),
]
"""Checks in the order in which they run."""
