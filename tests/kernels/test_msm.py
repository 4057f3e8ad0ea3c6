"""MSM on every device and in both shapes, against the reference, on inputs that break MSMs."""

import random

import numpy as np
import pytest

from joynet_sdk.errors import ConfigError, InvalidInputError
from joynet_sdk.proofs import g1, msm
from joynet_sdk.proofs.field import FR, to_limbs
from joynet_sdk.proofs.msm import Msm, Plan
from joynet_sdk.proofs.vectors import FrVector

G = g1.GENERATOR
RNG = random.Random(2)
RANDOM = [g1.multiply(G, RNG.randrange(FR)) for _ in range(40)]


def limbs_of(points):
    return to_limbs([c for point in points for c in point]).reshape(-1, 8)


def multiples(count, step=1):
    """step * G, 2 * step * G, ...: points in arithmetic progression."""
    point, found = g1.multiply(G, step), []
    for _ in range(count):
        found.append(g1.combine([(1, found[-1]), (1, point)]) if found else point)
    return found


def scalars_of(kind, count):
    rng = random.Random(count)
    return {
        "random": [rng.randrange(FR) for _ in range(count)],
        "equal": [FR // 3] * count,
        "ones": [1] * count,
        "r-1": [FR - 1] * count,
        "zeros": [0] * count,
        "one at the end": [0] * (count - 1) + [FR - 2],
        "edges": [rng.choice((0, 1, 2, FR - 1, FR // 2, 1 << 253, 0xFFFF)) for _ in range(count)],
        "alternating": [1 if i % 2 else FR - 1 for i in range(count)],
    }[kind]


POINTS = {
    "random": RANDOM,
    "repeated": [RANDOM[0]] * 40,
    "opposite": [p for point in RANDOM[:20] for p in (point, g1.negate(point))],
    "progression": multiples(40),
    "with infinity": [
        g1.IDENTITY,
        *RANDOM[:20],
        g1.IDENTITY,
        g1.IDENTITY,
        *RANDOM[20:],
        g1.IDENTITY,
    ],
    "only infinity": [g1.IDENTITY] * 20,
    "halves and doubles": [
        p for q in RANDOM[:10] for p in (q, g1.multiply(q, 2), q, g1.multiply(q, FR - 2))
    ],
    "one": RANDOM[:1],
}
KINDS = ("random", "equal", "ones", "r-1", "zeros", "one at the end", "edges", "alternating")


@pytest.fixture(params=[False, True], ids=["lanes", "threads"])
def threads(request):
    """Both shapes run on every device: that of CPUs and that of GPUs."""
    return request.param


@pytest.fixture
def small_chunks(monkeypatch):
    """Chunks so small that buckets are cut, and partial sums merge over several levels."""
    monkeypatch.setattr(msm, "CHUNK", {True: 16, False: 4})
    monkeypatch.setattr(msm, "SCAN_BLOCK", 16)
    monkeypatch.setattr(msm, "SORT_TILE", {True: 32, False: 16})


@pytest.mark.parametrize("name", POINTS)
def test_adversarial_inputs(runtime, threads, small_chunks, name):
    points = POINTS[name]
    sums = Msm(runtime, limbs_of(points), threads=threads)
    vectors = [scalars_of(kind, len(points)) for kind in KINDS]
    found = sums.run_many([to_limbs(vector) for vector in vectors])
    for kind, vector, result in zip(KINDS, vectors, found, strict=True):
        assert result == g1.combine(zip(vector, points, strict=True)), kind


@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 63, 64, 65, 300])
def test_sizes_around_those_of_lanes_and_groups(runtime, threads, count):
    points = multiples(count, step=12345)
    vector = scalars_of("random", count)
    total = sum((i + 1) * 12345 * s for i, s in enumerate(vector)) % FR
    assert Msm(runtime, limbs_of(points), threads=threads).run(to_limbs(vector)) == g1.multiply(
        G, total
    )


@pytest.mark.parametrize(
    ("threads", "name", "value"), [(False, "LANE_BITS", 29), (True, "FIELD_PATH", 32)]
)
def test_portable_arithmetic(runtime, monkeypatch, small_chunks, threads, name, value):
    """What a CPU without AVX-512 IFMA and a GPU without PTX run."""
    monkeypatch.setitem(msm.DEFINES, name, value)
    points = [*POINTS["with infinity"], *POINTS["opposite"], *POINTS["repeated"]]
    vector = scalars_of("edges", len(points))
    sums = Msm(runtime, limbs_of(points), threads=threads)
    assert sums.run(to_limbs(vector)) == g1.combine(zip(vector, points, strict=True))


def test_thousands_of_points_over_every_window(runtime, threads):
    """Progressions meet themselves inside buckets; the discrete logarithms are known."""
    block = multiples(256)
    points = limbs_of(block * 12)  # each point twelve times
    rng = random.Random(9)
    vector = [rng.randrange(FR) for _ in range(len(points))]
    total = sum((i % 256 + 1) * s for i, s in enumerate(vector)) % FR
    assert Msm(runtime, points, threads=threads).run(to_limbs(vector)) == g1.multiply(G, total)


@pytest.mark.parametrize("bits", [1, 8, 16, 31, 62, 63])
def test_small_signed_scalars(runtime, threads, bits):
    rng = random.Random(bits)
    limit = 1 << bits
    values = [rng.randrange(-limit, limit) for _ in range(90)] + [-limit, limit - 1, 0, -1]
    values = np.array(values, np.int64)
    sums = Msm(runtime, limbs_of(multiples(len(values))), threads=threads)
    total = sum((i + 1) * int(value) for i, value in enumerate(values)) % FR
    assert sums.run_small(values) == g1.multiply(G, total)


def test_vectors_on_the_device_are_taken_as_they_are(runtime, threads):
    values = scalars_of("edges", 40)
    vector = FrVector.from_ints(runtime, values)
    sums = Msm(runtime, limbs_of(RANDOM), threads=threads)
    assert sums.run(vector) == g1.combine(zip(values, RANDOM, strict=True))
    assert sums.run(vector.slice(3, 30)) == g1.combine(zip(values[3:33], RANDOM, strict=False))


def test_fewer_scalars_than_points_and_none_at_all(runtime, threads):
    sums = Msm(runtime, limbs_of(RANDOM), threads=threads)
    assert sums.run(to_limbs([5])) == g1.multiply(RANDOM[0], 5)
    assert sums.run(to_limbs([])) == g1.IDENTITY
    assert sums.run_small(np.zeros(0, np.int64)) == g1.IDENTITY
    assert sums.run_many([]) == []


def test_arguments_that_make_no_sum(runtime):
    sums = Msm(runtime, limbs_of(RANDOM[:2]))
    with pytest.raises(InvalidInputError, match="3 scalars for 2 points"):
        sums.run(to_limbs([1, 2, 3]))
    with pytest.raises(InvalidInputError, match="a scalar of 256 bits"):
        sums.run(to_limbs([(1 << 256) - 1]))
    with pytest.raises(InvalidInputError, match=r"expected \(n, 8\) uint64"):
        Msm(runtime, to_limbs([1, 2]))
    with pytest.raises(InvalidInputError, match="an MSM over 0 points"):
        Msm(runtime, np.zeros((0, 8), np.uint64))


def test_a_budget_that_is_too_small_names_need_and_budget(runtime, monkeypatch):
    sums = Msm(runtime, limbs_of(RANDOM))
    monkeypatch.setattr(runtime, "memory_bytes", runtime.used_bytes + 4000)
    with pytest.raises(ConfigError, match=r"MB needed, .* MB in use, the budget is .* MB"):
        sums.run(to_limbs(scalars_of("random", 40)))


@pytest.mark.parametrize("count", [1, 100, 1 << 14, 1 << 16, 1 << 20, 1 << 24])
@pytest.mark.parametrize("bits", [1, 8, 63, 254])
def test_plans_cover_the_scalars(count, bits):
    plan = Plan.of(count, bits)
    assert plan.window * plan.windows > bits  # one more bit for the sign
    assert plan.length * plan.segments == 1 << (plan.window - 1)
    assert plan.segments % msm.LANES == 0
