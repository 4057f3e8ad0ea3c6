"""Multi-scalar multiplication on a device: sum of scalar_i * P_i for a fixed list of points.

Pippenger's bucket method with signed window digits (kernels/msm_sort.cl). Buckets are summed eight
additions at a time with shared inversions on CPUs (msm_lanes.cl), one point a work-item elsewhere
(msm_threads.cl); both give the same point. Zero digits cost nothing, so neither do zero scalars,
zero tails or the upper windows of small scalars.

Sources: Pippenger 1976; Bernstein, Doumen, Lange, Oosterwijk 2012 (signed digits); Montgomery 1987
(shared inversions).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.proofs.field import FQ, Limbs, check_limbs, from_limbs
from joynet_sdk.proofs.g1 import G1, IDENTITY
from joynet_sdk.proofs.runtime import Runtime
from joynet_sdk.proofs.vectors import FrVector

if TYPE_CHECKING:
    import pyopencl

u32 = np.uint32
Scalars = Limbs | NDArray[np.int64] | FrVector

CANONICAL, MONTGOMERY, SMALL = 0, 1, 2  # forms of scalars, as in msm_sort.cl
SCALAR_BITS = 254
POINT_BYTES = 64
XYZZ_BYTES = 128
LANES = 8
GROUP = 64  # work-items of a group on GPUs
THREAD_FILES = ("bn254_field", "bn254_curve", "msm_sort", "msm_threads", "msm_windows")
LANE_FILES = ("bn254_field", "bn254_curve", "bn254_lanes", "msm_sort", "msm_lanes", "msm_windows")
DEFINES: dict[str, int] = {}  # more macros for the kernels, such as LANE_BITS or FIELD_PATH
RADIX_BITS = {True: 8, False: 4}  # of a sorting pass, on a CPU and elsewhere
SORT_TILE = {True: 1 << 16, False: 256}  # entries that one work-item sorts
SCAN_BLOCK = 4096  # counters that one work-item scans
MIN_WINDOW, MAX_WINDOW = 4, 16
CHUNK = {True: 1 << 15, False: 32}  # entries that one work-item sums
MIN_CHUNK = 1 << 12  # on a CPU, unless there are fewer entries
SPARE = 32  # as in msm_lanes.cl
MOST_LIMBS = 9


@dataclass(frozen=True)
class Plan:
    """How one MSM is cut.

    Attributes:
        window: Bits of a digit.
        windows: Digits of a scalar.
        length: Buckets of a segment.
        segments: Segments of a window.
    """

    window: int
    windows: int
    length: int
    segments: int

    @classmethod
    def of(cls, count: int, bits: int) -> "Plan":
        """The cheapest plan for `count` scalars below 2^bits in absolute value.

        A point costs one affine addition a window; a bucket costs two XYZZ additions, measured as
        about four affine ones.
        """
        window = min(
            range(MIN_WINDOW, MAX_WINDOW + 1),
            key=lambda c: -(-(bits + 1) // c) * (count + 4 * 2 ** (c - 1)),
        )
        buckets = 1 << (window - 1)
        length = max(1, min(1 << ((window + 1) // 2), buckets // 8))
        return cls(window, -(-(bits + 1) // window), length, buckets // length)


class Msm:
    """Sums over a fixed list of points, which stay on the device.

    Attributes:
        runtime: The device.
        length: Number of points.
    """

    def __init__(self, runtime: Runtime, points: Limbs, *, threads: bool | None = None) -> None:
        """Upload points.

        Args:
            runtime: The device.
            points: (n, 8) uint64, canonical limbs of x then y; (0, 0) is the identity. They must
                be on the curve: who imports an SRS checks that.
            threads: Take the kernels of GPUs (or not); None lets the device decide.

        Raises:
            InvalidInputError: Another shape, or no or too many points (2^31).
            ConfigError: They do not fit the memory budget.
        """
        if points.ndim != 2 or points.shape[1] != 8 or points.dtype != np.uint64:
            raise InvalidInputError(
                f"points of shape {points.shape} {points.dtype}, expected (n, 8) uint64"
            )
        if not 1 <= len(points) < 1 << 31:
            raise InvalidInputError(f"an MSM over {len(points)} points, expected 1 to 2^31 - 1")
        self.runtime, self.length = runtime, len(points)
        self._is_threads = not runtime.is_cpu if threads is None else threads
        self._defines = {"RADIX_BITS": RADIX_BITS[not self._is_threads], **DEFINES}
        self._points = runtime.upload(points)
        self._launch("msm_import", len(points), self._points)

    # --- sums

    def run(self, scalars: Scalars) -> G1:
        """sum of scalars[i] * points[i].

        Args:
            scalars: At most as many as points. (n, 4) uint64 canonical limbs, (n,) int64, or a
                vector on the same device.

        Raises:
            InvalidInputError: Too many scalars, or another shape.
            ConfigError: The scratch memory does not fit the budget.
        """
        (result,) = self.run_many([scalars])
        return result

    def run_small(self, scalars: NDArray[np.int64]) -> G1:
        """sum of scalars[i] * points[i] for small signed scalars: the fewer bits, the faster."""
        return self.run(scalars)

    def run_many(self, vectors: Iterable[Scalars]) -> list[G1]:
        """One sum for each vector of scalars, over the same points."""
        queue = list(vectors)
        if not queue:
            return []
        slots = self.runtime.empty(XYZZ_BYTES * len(queue))
        done = [self._enqueue(scalars, slots, slot) for slot, scalars in enumerate(queue)]
        rows = self.runtime.download(slots, (len(queue), 4, 4), np.uint64)
        return [
            _affine(from_limbs(row)) if is_done else IDENTITY
            for row, is_done in zip(rows, done, strict=True)
        ]

    # --- one sum

    def _enqueue(self, scalars: Scalars, slots: "pyopencl.Buffer", slot: int) -> bool:
        """Enqueue one sum; its point goes to slots[slot]. False: all scalars are zero."""
        source = _Source.of(self.runtime, scalars)
        if source.count > self.length:
            raise InvalidInputError(f"{source.count} scalars for {self.length} points")
        if not source.count:
            return False
        plan = Plan.of(source.count, source.bits)
        entries, total = self._entries(source, plan)
        if entries is None:
            return False
        buckets = self._buckets(entries, total, plan)
        parts = self.runtime.empty(XYZZ_BYTES * plan.windows * plan.segments)
        items = plan.windows * plan.segments // (1 if self._is_threads else LANES)
        self._launch("msm_segments", items, buckets, parts, u32(plan.length), u32(plan.segments))
        sums = self.runtime.empty(XYZZ_BYTES * plan.windows)
        self._launch("msm_windows", plan.windows, parts, sums, u32(plan.segments))
        self._launch("msm_combine", 1, sums, slots, u32(plan.windows), u32(plan.window), u32(slot))
        return True

    def _entries(self, source: "_Source", plan: Plan) -> "tuple[pyopencl.Buffer | None, int]":
        """Entries of all windows, sorted by bucket, and how many there are."""
        tiles = min(-(-source.count // 64), 1 << 14 if self._is_threads else 64)
        tile = -(-source.count // tiles)
        tiles = -(-source.count // tile)
        shape = (source.form, source.first, source.count, tile, plan.window, plan.windows)
        arguments = [u32(value) for value in shape]
        counted = self.runtime.empty(4 * plan.windows * tiles)
        self._launch("msm_count", tiles, source.buffer, counted, *arguments)
        counts = self.runtime.download(counted, (plan.windows, tiles), u32)
        ends = np.cumsum(counts.ravel(), dtype=np.uint64)
        total = int(ends[-1])
        if not total:
            return None, 0
        if total >= 1 << 32:
            raise InvalidInputError(f"an MSM of {total} entries, expected fewer than 2^32")
        starts = self.runtime.upload((ends - counts.ravel()).astype(u32))
        entries = self.runtime.empty(8 * total)
        self._launch("msm_digits", tiles, source.buffer, starts, entries, *arguments)
        return self._sorted(entries, counts.sum(axis=1, dtype=np.int64), plan.window), total

    def _sorted(
        self, entries: "pyopencl.Buffer", sizes: NDArray[np.int64], window: int
    ) -> "pyopencl.Buffer":
        """Entries, window after window of these sizes, sorted by digit within each."""
        radix_bits = self._defines["RADIX_BITS"]
        tiles = _tiles(sizes, SORT_TILE[not self._is_threads], 1 << radix_bits)
        size = len(tiles) << radix_bits
        blocks = -(-size // SCAN_BLOCK)
        other, counts = self.runtime.empty(entries.size), self.runtime.empty(4 * size)
        sums, described = self.runtime.empty(4 * blocks), self.runtime.upload(tiles)
        cut = (u32(size), u32(SCAN_BLOCK))
        for low in range(0, window, radix_bits):
            shift = u32(32 + low)
            self._launch("msm_radix_count", len(tiles), entries, described, counts, shift)
            if blocks == 1:
                self._launch("msm_scan_sums", 1, counts, u32(size))
            else:
                self._launch("msm_scan_blocks", blocks, counts, sums, *cut)
                self._launch("msm_scan_sums", 1, sums, u32(blocks))
                self._launch("msm_scan_apply", blocks, counts, sums, *cut)
            self._launch("msm_radix_scatter", len(tiles), entries, described, counts, other, shift)
            entries, other = other, entries
        return entries

    def _buckets(self, entries: "pyopencl.Buffer", total: int, plan: Plan) -> "pyopencl.Buffer":
        """The sum of each bucket: whole buckets of a chunk at once, cut ones level by level."""
        runtime, chunk = self.runtime, CHUNK[not self._is_threads]
        if not self._is_threads:  # work for every unit, but no chunk too short to share inversions
            share = total // (4 * runtime.device.compute_units) // 16 * 16
            chunk = min(chunk, max(share, MIN_CHUNK))
        point_bytes = XYZZ_BYTES if self._is_threads else POINT_BYTES
        size = point_bytes * plan.windows << (plan.window - 1)
        buckets = runtime.empty(size)
        runtime.clear(buckets)
        points, is_first = self._points, True
        while True:
            chunk = min(chunk, -(-total // 16) * 16)
            chunks = -(-total // chunk)
            part_entries = runtime.empty(8 * 2 * chunks)
            part_points = runtime.empty(point_bytes * 2 * chunks)
            level = (entries, u32(total), points, buckets, part_entries, part_points)
            if self._is_threads:
                name = "msm_accumulate" if is_first else "msm_merge"
                last = u32(chunks == 1)
                self._launch(name, chunks, *level, u32(chunk), u32(plan.window), last)
            else:
                items = min(chunks, 4 * runtime.device.compute_units)
                scratch = runtime.empty(8 * items * _scratch_words(chunk))
                self._launch("msm_accumulate", items, *level, scratch, u32(chunk), u32(plan.window))
            if chunks == 1:
                return buckets
            entries, points, total, is_first = part_entries, part_points, 2 * chunks, False

    def _launch(self, name: str, items: int, *arguments: Any) -> None:
        runtime = self.runtime
        files = THREAD_FILES if self._is_threads else LANE_FILES
        kernel = runtime.kernel(name, *files, defines=self._defines)
        group = 1 if runtime.is_cpu else GROUP
        padded = -(-items // group) * group  # kernels return at once beyond `items`
        runtime.launch(kernel, padded, *arguments, u32(items), group=group)


@dataclass(frozen=True)
class _Source:
    """Scalars on the device.

    Attributes:
        buffer: Where they are.
        form: CANONICAL, MONTGOMERY or SMALL.
        first: Index of the first in `buffer`.
        count: How many.
        bits: Bits of the largest absolute value, or more.
    """

    buffer: Any
    form: int
    first: int
    count: int
    bits: int

    @classmethod
    def of(cls, runtime: Runtime, scalars: Scalars) -> "_Source":
        """Upload scalars, less their zero tail; vectors on the device stay where they are."""
        if isinstance(scalars, FrVector):
            return cls(scalars.buffer, MONTGOMERY, scalars.offset, scalars.length, SCALAR_BITS)
        if scalars.dtype == np.int64 and scalars.ndim == 1:
            form, width = SMALL, _width(np.abs(scalars).view(np.uint64))
            used = np.flatnonzero(scalars)
        else:
            form = CANONICAL
            limbs = check_limbs(cast(Limbs, scalars))
            width = max(
                (64 * i + _width(limbs[:, i]) for i in range(4) if limbs[:, i].any()), default=0
            )
            used = np.flatnonzero(limbs.any(axis=1))
            if width > SCALAR_BITS:
                raise InvalidInputError(f"a scalar of {width} bits, expected canonical ones")
        count = int(used[-1]) + 1 if len(used) else 0
        return cls(runtime.upload(scalars[:count]), form, 0, count, width)


def _width(values: NDArray[np.uint64]) -> int:
    return int(values.max(initial=0)).bit_length()


def _tiles(sizes: NDArray[np.int64], tile: int, radix: int) -> NDArray[np.uint32]:
    """Sorting tiles of windows of these sizes: (tiles, 4) of begin, end, counter, counter step."""
    numbers = -(-sizes // tile)  # tiles of each window
    before = np.cumsum(numbers) - numbers
    number = np.repeat(numbers, numbers)
    within = np.arange(len(number)) - np.repeat(before, numbers)
    ends = np.repeat(np.cumsum(sizes), numbers)
    begins = ends - np.repeat(sizes, numbers) + within * tile
    counters = np.repeat(before, numbers) * radix + within
    columns = [begins, np.minimum(begins + tile, ends), counters, number]
    rows: NDArray[np.uint32] = np.stack(columns, axis=1).astype(u32)
    return rows


def _scratch_words(chunk: int) -> int:
    """8-byte words of a work-item of msm_lanes.cl, at most."""
    pairs = chunk // 2 + SPARE
    words = pairs * MOST_LIMBS + 8 * (chunk + SPARE) + pairs + 3 * chunk // 2 + 8
    return -(-words // 8) * 8


def _affine(xyzz: list[int]) -> G1:
    """Montgomery XYZZ coordinates -> the affine point."""
    x, y, zz, zzz = xyzz
    if not zz:
        return IDENTITY
    return x * pow(zz, -1, FQ) % FQ, y * pow(zzz, -1, FQ) % FQ
