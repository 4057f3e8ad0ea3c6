"""Carries out a plan: tensor after tensor, straight into the files of the result.

Memory holds the tensors under work and nothing else: parents are mapped pages that are let go after
each tensor, the result is written at its place in its file at once. Small tensors are made side by
side, as many as fit the memory that the largest one needs anyway. What is finished is journaled, so
that an interrupted build goes on; the result appears under its name when it is whole.
"""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from joynet_sdk.compute.merging.inputs import MergeInputs
from joynet_sdk.compute.merging.journal import Journal
from joynet_sdk.compute.merging.methods import merge
from joynet_sdk.compute.merging.reader import DTYPES, FolderCheckpoint
from joynet_sdk.compute.merging.rows import aligned
from joynet_sdk.errors import InvalidInputError
from joynet_sdk.mergeplans import Plan, Shard, Source, TensorPlan

MIN_BUDGET = 64 * 1024 * 1024  # bytes in work at once, however small the tensors are
PARTIAL = ".partial"
OnBytes = Callable[[int], None]


def build(
    plan: Plan,
    parents: Mapping[str, FolderCheckpoint],
    out: Path,
    *,
    workers: int | None = None,
    is_fresh: bool = False,
    on_bytes: OnBytes = lambda count: None,
) -> None:
    """Make the result's folder, or finish one that was interrupted.

    The bytes depend on the plan and the parents alone, not on `workers`.

    Args:
        parents: By name; all that the plan names.
        out: A new folder; while it is made it is called `<out>.partial`.
        workers: Tensors made side by side; the number of cores by default.
        is_fresh: Throw away what an interrupted build left.
        on_bytes: Told of each finished tensor's bytes; those of an earlier run first.

    Raises:
        InvalidInputError: `out` exists; another plan was interrupted there; values that no method
            takes (NaN, beyond the dtype).
        UnavailableError: Another build works there, or the disk is full.
    """
    if out.exists():
        raise InvalidInputError(f"{out} exists, expected a new folder", hint="--out elsewhere")
    partial = out.with_name(out.name + PARTIAL)
    if is_fresh and partial.exists():
        shutil.rmtree(partial)
    partial.mkdir(parents=True, exist_ok=True)
    ordered = [parents[name] for name in plan.parents]
    with _one_thread_each(), Journal(partial, plan.digest) as journal:
        for shard in plan.shards:
            _Work(plan, ordered, journal, partial, on_bytes).make(shard, workers)
        for name, data in plan.files.items():
            _write(partial / name, data)
        journal.finish()
    _sync(partial)
    partial.rename(out)
    _sync(out.parent)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Workers are the parallelism: each computes with one thread of its own."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@dataclass
class _Work:
    plan: Plan
    parents: Sequence[FolderCheckpoint]
    journal: Journal
    folder: Path
    on_bytes: OnBytes

    def make(self, shard: Shard, workers: int | None) -> None:
        done = self.journal.done(shard.name)
        todo = []
        for index, at in zip(shard.tensors, shard.offsets, strict=True):
            tensor = self.plan.tensors[index]
            if tensor.name in done:
                self.on_bytes(tensor.info.size)
            else:
                todo.append((tensor, at))
        if self.journal.is_whole(shard.name):
            return
        handle = os.open(self.folder / shard.name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            os.posix_fallocate(handle, 0, shard.size)
            _pwrite(handle, shard.header, 0)
            self._run(todo, handle, shard.name, workers or os.cpu_count() or 1)
            os.fdatasync(handle)
        finally:
            os.close(handle)
        self.journal.shard_is_whole(shard.name)

    def _run(
        self, todo: Sequence[tuple[TensorPlan, int]], handle: int, file: str, workers: int
    ) -> None:
        """Make tensors side by side, within the memory that the largest of the plan needs."""
        budget = max(MIN_BUDGET, self.plan.peak)
        running: dict[Future[None], TensorPlan] = {}
        with ThreadPoolExecutor(workers) as pool:
            try:
                for tensor, at in todo:
                    while running and (
                        len(running) >= workers
                        or sum(one.need for one in running.values()) + tensor.need > budget
                    ):
                        self._collect(running, file)
                    running[pool.submit(self._one, tensor, handle, at)] = tensor
                while running:
                    self._collect(running, file)
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _collect(self, running: dict[Future[None], TensorPlan], file: str) -> None:
        finished, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in finished:
            tensor = running.pop(future)
            future.result()
            self.journal.tensor_is_done(file, tensor.name)
            self.on_bytes(tensor.info.size)

    def _one(self, tensor: TensorPlan, handle: int, at: int) -> None:
        if not tensor.info.size:
            return
        with ExitStack() as stack:
            read = {
                source.parent: stack.enter_context(self.parents[source.parent].tensor(source.name))
                for source in tensor.everything
            }
            result = self._merged(tensor, read)
            _pwrite(handle, result.view(-1).view(torch.uint8).numpy().data, at)
            del result, read

    def _merged(self, tensor: TensorPlan, read: Mapping[int, torch.Tensor]) -> torch.Tensor:
        if tensor.alignment is not None:
            read = aligned(tensor.alignment, read)

        def values(source: Source) -> torch.Tensor:
            return read[source.parent]

        return merge(
            tensor.method,
            MergeInputs(
                name=tensor.name,
                tensors=tuple(values(source) for source in tensor.sources),
                parameters=tuple(source.parameters for source in tensor.sources),
                base=None if tensor.base is None else values(tensor.base),
                settings=tensor.settings,
                seed=tensor.seed,
                dtype=DTYPES[tensor.info.dtype],
            ),
        )


def _pwrite(handle: int, data: bytes | memoryview, at: int) -> None:
    rest = memoryview(data)
    while rest:
        written = os.pwrite(handle, rest, at)
        rest, at = rest[written:], at + written


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
