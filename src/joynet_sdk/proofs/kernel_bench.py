"""How fast this device runs the kernels that a proof is made of."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import perf_counter, process_time

import numpy as np
from numpy.typing import NDArray

from joynet_sdk.proofs import srs_powers
from joynet_sdk.proofs.field import FR
from joynet_sdk.proofs.msm import Msm
from joynet_sdk.proofs.runtime import Runtime
from joynet_sdk.proofs.selftest import OPERATIONS
from joynet_sdk.proofs.sumcheck import Instance, Term, prove
from joynet_sdk.proofs.transcript import Transcript
from joynet_sdk.proofs.vectors import FrVector

ELEMENTS = 1 << 10  # of the field benchmarks
REPEATS = 5000


@dataclass(frozen=True)
class Timing:
    """The best of three runs.

    Attributes:
        name: What ran.
        size: Operations, points or elements of one run.
        cpu_s: CPU time of this process, the work of a CPU device included.
        wall_s: Elapsed time.
        device_s: Time in kernels, by the device's clock.
    """

    name: str
    size: int
    cpu_s: float
    wall_s: float
    device_s: float

    @property
    def ns_each(self) -> float:
        """Elapsed nanoseconds an operation, point or element."""
        return self.wall_s / self.size * 1e9


def run_benchmarks(runtime: Runtime, power: int) -> Iterator[Timing]:
    """Time the kernels on vectors of 2^power elements, one after the other."""
    for name, size, work in _workloads(runtime, power):
        work()  # compile, and touch the memory
        runs = [_time(runtime, work) for _ in range(3)]
        cpu, wall, device = min(runs, key=lambda run: run[0])
        yield Timing(name, size, cpu, wall, device)


def _time(runtime: Runtime, work: Callable[[], object]) -> tuple[float, float, float]:
    runtime.finish()
    cpu, wall = process_time(), perf_counter()
    with runtime.profile() as times:
        work()
    device = sum(each.seconds for each in times.values())
    return process_time() - cpu, perf_counter() - wall, device


def _workloads(runtime: Runtime, power: int) -> Iterator[tuple[str, int, Callable[[], object]]]:
    count, rng = 1 << power, np.random.default_rng(1)
    operations = ELEMENTS * REPEATS
    yield "field multiplication", operations, _field(runtime, rng, "fr_check", 1)
    if runtime.is_cpu:
        work = _field(runtime, rng, "fr_lanes_check", 8, "bn254_lanes")
        yield "field multiplication, lanes", operations, work
    tau = int(rng.integers(1, 2**62))
    points = np.concatenate(list(srs_powers.powers(runtime, tau, 0, count)))
    sums, scalars = Msm(runtime, points), _elements(rng, count)
    bytes_ = rng.integers(-128, 128, count)
    yield "msm", count, lambda: sums.run(scalars)
    yield "msm of 8-bit scalars", count, lambda: sums.run_small(bytes_)
    tables = [FrVector.from_host(runtime, _elements(rng, count)) for _ in range(2)]
    instance = Instance(power, tables, [Term(1, (0, 1))])
    yield "sumcheck of degree 2", count, lambda: prove([instance], 0, Transcript(b"bench"), 2)


def _field(
    runtime: Runtime, rng: np.random.Generator, name: str, lanes: int, *files: str
) -> Callable[[], None]:
    kernel = runtime.kernel(name, "bn254_field", *files, "field_check")
    left, right = (runtime.upload(_elements(rng, ELEMENTS)) for _ in range(2))
    out = runtime.empty(left.size)
    arguments = (left, right, out, np.uint32(OPERATIONS["mul"]), np.uint32(REPEATS))

    def work() -> None:
        runtime.launch(kernel, ELEMENTS // lanes, *arguments, group=1 if runtime.is_cpu else 64)
        runtime.finish()

    return work


def _elements(rng: np.random.Generator, count: int) -> NDArray[np.uint64]:
    """Random canonical elements of Fr."""
    limbs = rng.integers(0, 2**64, (count, 4), dtype=np.uint64)
    limbs[:, 3] %= np.uint64(FR >> 192)
    return limbs
