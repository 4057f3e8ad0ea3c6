"""What `fusion.Fusion` asks of the merge engine."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from math import sqrt
from pathlib import Path

import torch

from joynet_sdk import merges
from joynet_sdk.compute.merging.blocks import spans
from joynet_sdk.compute.merging.executor import build
from joynet_sdk.compute.merging.inputs import MergeInputs
from joynet_sdk.compute.merging.methods import merge
from joynet_sdk.compute.merging.reader import FolderCheckpoint
from joynet_sdk.mergeplans import Difference, Plan, TensorInfo

_PROBE = 1 << 18  # elements


class MergeEngine:
    """Merges on this machine's CPU."""

    @contextmanager
    def open(self, folders: Mapping[str, Path]) -> Iterator[dict[str, FolderCheckpoint]]:
        """The parents' files by name, closed at the end of the block.

        Raises:
            NotFoundError: A folder without safetensors.
            InvalidInputError: A header that lies.
        """
        with ExitStack() as stack:
            yield {
                name: stack.enter_context(FolderCheckpoint(folder))
                for name, folder in folders.items()
            }

    def build(
        self,
        plan: Plan,
        folders: Mapping[str, Path],
        out: Path,
        *,
        is_fresh: bool = False,
        workers: int | None = None,
        on_bytes: Callable[[int], None] = lambda count: None,
    ) -> None:
        """See `executor.build`."""
        with self.open(folders) as parents:
            build(plan, parents, out, workers=workers, is_fresh=is_fresh, on_bytes=on_bytes)

    def seconds(self, plan: Plan) -> float:
        """About how long a plan computes here, reading and writing aside.

        Each method is tried on a small tensor first.
        """
        speeds: dict[tuple[str, int, bool], float] = {}
        total = 0.0
        for tensor in plan.tensors:
            kind = (tensor.method, len(tensor.sources), tensor.base is not None)
            if kind not in speeds:
                speeds[kind] = _seconds_per_element(*kind)
            total += speeds[kind] * _elements(tensor.info)
        return total / (os.cpu_count() or 1)

    def compare(self, first: Path, second: Path) -> Iterator[Difference]:
        """How far two models are from each other, tensor by tensor in the order of names."""
        with self.open({"a": first, "b": second}) as opened:
            left, right = opened["a"], opened["b"]
            for name in sorted({*left.tensors, *right.tensors}):
                one, other = left.tensors.get(name), right.tensors.get(name)
                if one is None or other is None or one.shape != other.shape:
                    shapes = (one and one.shape, other and other.shape)
                    yield Difference(name, shapes)
                    continue
                with left.tensor(name) as a, right.tensor(name) as b:
                    found = _difference(name, a, b)
                yield found


def _elements(info: TensorInfo) -> int:
    count = 1
    for side in info.shape:
        count *= side
    return count


def _seconds_per_element(method: str, models: int, has_base: bool) -> float:
    side = 1 << 9
    tensors = [torch.randn(_PROBE // side, side) for _ in range(models + has_base)]
    wanted = merges.METHODS[method].parameter
    density = {"density": 0.5} if method not in _WITHOUT_DENSITY and wanted("density") else {}
    inputs = MergeInputs(
        name="probe",
        tensors=tuple(tensors[has_base:]),
        parameters=tuple(density for _ in range(models)),
        base=tensors[0] if has_base else None,
    )
    merge(method, inputs)  # imports, warms up
    start = time.process_time()
    merge(method, inputs)
    return (time.process_time() - start) / _PROBE


_WITHOUT_DENSITY = frozenset(
    name
    for name, method in merges.METHODS.items()
    if all(parameter.name != "density" for parameter in method.parameters)
)


def _difference(name: str, a: torch.Tensor, b: torch.Tensor) -> Difference:
    """One pass, block by block, sums in float64."""
    dot = norm_a = norm_b = squares = largest = 0.0
    flat_a, flat_b = a.reshape(-1), b.reshape(-1)
    for span in spans(flat_a.numel()):
        x, y = flat_a[span].to(torch.float64), flat_b[span].to(torch.float64)
        apart = x - y
        dot += float(x @ y)
        norm_a += float(x @ x)
        norm_b += float(y @ y)
        squares += float(apart @ apart)
        largest = max(largest, float(apart.abs().max()))
    shape = tuple(a.shape)
    both = sqrt(norm_a) * sqrt(norm_b)
    return Difference(
        name,
        (shape, shape),
        cosine=max(-1.0, min(1.0, dot / both)) if both else None,
        l2=sqrt(squares),
        relative=sqrt(squares / norm_a) if norm_a else None,
        largest=largest,
    )
