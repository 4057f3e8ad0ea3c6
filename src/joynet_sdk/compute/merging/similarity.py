"""How near models are to each other, from samples of their weights. NumPy only: no torch is needed.

Task vectors and their cosine: Ilharco et al. 2023, arXiv:2212.04089; sign agreement: Yadav et al.
2023, arXiv:2306.01708. Files are mapped, not loaded, and at most 2^21 elements of a model are read,
in runs that are spread over the tensors by a fixed seed: the same files give the same numbers.
"""

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from joynet_sdk.errors import InvalidInputError

MAX_ELEMENTS = 1 << 21
MAX_TENSORS = 512
RUNS = 4  # of one tensor
_SEED = 20230206
_DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
_PROBE_BYTES = 8 * 1024 * 1024
_MAX_HEADER_BYTES = 8 * 1024 * 1024  # as the scan has it
_TINY = 1e-30

Float = npt.NDArray[np.float64]


class Similarity(NamedTuple):
    """See `joynet_sdk.fusion.compatibility.report.Similarity`."""

    weight_cosine: float
    least_cosine: float
    farthest: str
    distance: float
    norm_ratio: float
    task_cosine: float | None
    least_task_cosine: float | None
    sign_agreement: float | None
    task_norm: float | None
    parameters: int
    sampled: int


class Speed(NamedTuple):
    """What this machine does.

    Attributes:
        read: Bytes of weights read from their file in a second.
        compute: Bytes of float32 averaged in a second, on one core.
    """

    read: float
    compute: float


@dataclass(frozen=True)
class _Stored:
    """A tensor in a file, flat."""

    file: Path
    offset: int
    dtype: str
    shape: tuple[int, ...]

    def read(self, start: int, stop: int) -> Float:
        """Elements [start, stop) as float64."""
        kind = np.dtype(_DTYPES[self.dtype])
        with self.file.open("rb") as file:
            file.seek(self.offset + start * kind.itemsize)
            raw = np.fromfile(file, kind, stop - start)
        if self.dtype == "BF16":
            raw = (raw.astype(np.uint32) << 16).view(np.float32)
        return raw.astype(np.float64)


@dataclass(frozen=True)
class _Held:
    """A tensor in memory."""

    values: npt.NDArray[Any]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape

    def read(self, start: int, stop: int) -> Float:
        return self.values.reshape(-1)[start:stop].astype(np.float64)


_Tensors = Mapping[str, _Stored] | Mapping[str, _Held]


def compare_folders(models: Sequence[Path], base: Path | None = None) -> Similarity | None:
    """Compare models whose safetensors lie in folders that were scanned.

    Args:
        models: Two or more, without the base.
        base: The model they were tuned from.

    Returns:
        None when they have no float tensor in common.

    Raises:
        InvalidInputError: A weight is NaN or infinite.
    """
    return _compare([_open(path) for path in models], None if base is None else _open(base))


def compare_arrays(
    models: Sequence[Mapping[str, npt.NDArray[Any]]],
    base: Mapping[str, npt.NDArray[Any]] | None = None,
) -> Similarity | None:
    """The same of tensors in memory."""
    held = [{name: _Held(values) for name, values in model.items()} for model in models]
    return _compare(held, None if base is None else {k: _Held(v) for k, v in base.items()})


def _open(folder: Path) -> dict[str, _Stored]:
    """Float tensors of all safetensors files below a folder, or of one file."""
    found = {}
    for path in _weights(folder):
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > _MAX_HEADER_BYTES:
                raise InvalidInputError(
                    f"{path}: header claims {length} bytes, expected <= {_MAX_HEADER_BYTES}"
                )
            header = json.loads(file.read(length))
        for name, entry in header.items():
            if name != "__metadata__" and entry["dtype"] in _DTYPES:
                offset = 8 + length + entry["data_offsets"][0]
                found[name] = _Stored(path, offset, entry["dtype"], tuple(entry["shape"]))
    return found


def _weights(folder: Path) -> list[Path]:
    """The safetensors files that a scan of the folder looks at: none that is hidden."""
    if not folder.is_dir():
        return [folder]
    found = sorted(folder.rglob("*.safetensors"))
    return [p for p in found if not any(x.startswith(".") for x in p.relative_to(folder).parts)]


def _common(everyone: Sequence[_Tensors]) -> list[str]:
    """Names of tensors that all have in one shape; matrices only, if there are some.

    Biases and norms are alike in all networks and would make strangers look related.
    """
    shared = set.intersection(*({*tensors} for tensors in everyone))
    same = [name for name in shared if len({tensors[name].shape for tensors in everyone}) == 1]
    filled = sorted(name for name in same if math.prod(everyone[0][name].shape))
    matrices = [name for name in filled if len(everyone[0][name].shape) > 1]
    return matrices or filled


def _compare(models: Sequence[_Tensors], base: _Tensors | None) -> Similarity | None:
    everyone = [*models, *([base] if base is not None else [])]
    names = _common(everyone)
    if not names or len(models) < 2:
        return None
    parameters = sum(math.prod(everyone[0][name].shape) for name in names)
    step = max(1, math.ceil(len(names) / MAX_TENSORS))
    chosen = names[::step]
    sums = _Sums(len(models), base is not None)
    rng = np.random.default_rng(_SEED)
    for name in chosen:
        sums.begin(name)
        count = math.prod(everyone[0][name].shape)
        for start, stop in _runs(count, MAX_ELEMENTS // len(chosen), rng):
            rows = np.stack([tensors[name].read(start, stop) for tensors in everyone])
            if not np.isfinite(rows).all():
                raise InvalidInputError(
                    f"{name} holds NaN or infinite weights, expected finite ones",
                    hint="that model is broken: choose another version of it",
                )
            sums.add(rows, count / min(count, MAX_ELEMENTS // len(chosen)))
    return sums.result(parameters)


def _runs(count: int, budget: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Spans of a flat tensor that hold at most `budget` elements together."""
    if count <= budget:
        return [(0, count)]
    length, part = budget // RUNS, count // RUNS
    starts = [i * part + int(rng.integers(0, part - length + 1)) for i in range(RUNS)]
    return [(start, start + length) for start in starts]


class _Sums:
    """Inner products between models, and between task vectors: in all, and of each tensor."""

    def __init__(self, models: int, has_base: bool) -> None:
        self._models, self._has_base = models, has_base
        self._by_tensor: dict[str, tuple[Float, Float]] = {}
        self._agree = self._moved = 0.0
        self._sampled = 0

    def begin(self, name: str) -> None:
        """What is added from now on belongs to this tensor."""
        size = self._models + self._has_base
        self._current = np.zeros((size, size)), np.zeros((self._models, self._models))
        self._by_tensor[name] = self._current

    def add(self, rows: Float, factor: float) -> None:
        """Take in a run of one tensor, (models + base, elements), each standing for `factor`."""
        weights, tasks = self._current
        self._sampled += rows.shape[1]
        weights += factor * (rows @ rows.T)
        if self._has_base:
            moves = rows[:-1] - rows[-1]
            tasks += factor * (moves @ moves.T)
            signs = np.sign(moves)
            moved = (signs != 0).all(axis=0)
            agree = np.abs(signs.sum(axis=0)) == self._models
            self._moved += factor * float(moved.sum())
            self._agree += factor * float((agree & moved).sum())

    def result(self, parameters: int) -> Similarity:
        """The figures."""
        weights = sum((each[0] for each in self._by_tensor.values()), np.zeros(()))
        tasks = sum((each[1] for each in self._by_tensor.values()), np.zeros(()))
        norms, task_norms = np.sqrt(np.diag(weights)), np.sqrt(np.diag(tasks))
        count, has_base = self._models, self._has_base
        cosines = {name: min(_cosines(each[0], count)) for name, each in self._by_tensor.items()}
        farthest = min(cosines, key=lambda name: cosines[name])
        least = min(min(_cosines(each[1], count)) for each in self._by_tensor.values())
        pairs = [(i, j) for i in range(count) for j in range(i)]
        return Similarity(
            weight_cosine=min(_cosines(weights, count)),
            least_cosine=cosines[farthest],
            farthest=farthest,
            distance=max(_distance(weights, i, j) for i, j in pairs),
            norm_ratio=float(min(_ratio(norms[i], norms[j]) for i, j in pairs)),
            task_cosine=float(np.mean(_cosines(tasks, count))) if has_base else None,
            least_task_cosine=least if has_base else None,
            sign_agreement=(self._agree / self._moved if self._moved else 1.0)
            if has_base
            else None,
            task_norm=float(task_norms.max() / max(norms[-1], _TINY)) if has_base else None,
            parameters=parameters,
            sampled=self._sampled,
        )


def _cosines(products: Float, count: int) -> list[float]:
    """Of all pairs of the first `count` vectors; 1 where both are zero."""
    scales = np.sqrt(np.diag(products))
    return [
        float(products[i, j] / (scales[i] * scales[j])) if scales[i] * scales[j] > 0 else 1.0
        for i in range(count)
        for j in range(i)
    ]


def _distance(products: Float, i: int, j: int) -> float:
    """|A - B| over the mean of |A| and |B|."""
    difference = math.sqrt(max(0.0, products[i, i] + products[j, j] - 2 * products[i, j]))
    mean = (math.sqrt(products[i, i]) + math.sqrt(products[j, j])) / 2
    return difference / max(mean, _TINY)


def _ratio(one: float, other: float) -> float:
    return min(one, other) / max(one, other, _TINY)


# --- speed ------------------------------------------------------------------------------------


def measure_speed(folder: Path | None = None) -> Speed:
    """Read at most 8 MiB of a model's weights and average two blocks of 8 MiB: some 20 ms.

    Args:
        folder: A model's; without one, reading counts as fast as computing.
    """
    first, second, mean = (np.ones(_PROBE_BYTES // 4, np.float32) for _ in range(3))
    started = time.perf_counter()
    for _ in range(2):
        np.add(first, second, out=mean)
        np.multiply(mean, np.float32(0.5), out=mean)
    compute = 4 * first.nbytes / max(time.perf_counter() - started, 1e-9)
    files = _weights(folder) if folder is not None else []
    if not files:
        return Speed(compute, compute)
    largest = max(files, key=lambda path: path.stat().st_size)
    with largest.open("rb") as file:
        file.seek(max(0, largest.stat().st_size // 2 - _PROBE_BYTES // 2))
        started = time.perf_counter()
        count = len(file.read(_PROBE_BYTES))
        return Speed(count / max(time.perf_counter() - started, 1e-9), compute)
