"""The node's side of engines: one child process per loaded model, restarted when it dies."""

import asyncio
import os
import sys
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from joynet_sdk.compute.engine import EngineError, Part
from joynet_sdk.compute.worker import HEADER, OK, REFUSED
from joynet_sdk.errors import InvalidInputError, OverloadedError
from joynet_sdk.formats import Manifest

# What a worker needs of the environment; keys and passwords are not among it.
PASSED_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "PYTHONPATH", "VIRTUAL_ENV", "TMPDIR")
MAX_OUTPUT_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on the workers of one node."""

    loaded: int = 4  # models in memory at once; the least recently used one is unloaded
    queue: int = 32  # requests that wait or run, per model
    memory_bytes: int = 6 << 30  # data segment of one worker
    load_s: float = 120.0
    run_s: float = 60.0


class _Worker:
    """One child process and the lock that gives it one request at a time."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.waiting = 0
        self._lock = asyncio.Lock()

    @property
    def is_alive(self) -> bool:
        return self.process.returncode is None

    async def ask(self, data: bytes, timeout_s: float) -> bytes:
        """Send one frame, wait for its answer; a worker that fails to answer is killed."""
        self.waiting += 1
        try:
            async with self._lock:
                try:
                    return await asyncio.wait_for(self._exchange(data), timeout_s)
                except BaseException as error:  # cancelled too: the stream is out of step
                    if not isinstance(error, InvalidInputError):
                        await self.stop()
                    raise
        except TimeoutError:
            raise EngineError(f"the model did not answer within {timeout_s:g} s") from None
        finally:
            self.waiting -= 1

    async def _exchange(self, data: bytes) -> bytes:
        try:
            self.send(data)
            assert self.process.stdin is not None
            await self.process.stdin.drain()
            return await self.receive()
        except (ConnectionError, asyncio.IncompleteReadError):
            code = await self.process.wait()
            raise EngineError(f"the model's worker ended with code {code}") from None

    def send(self, payload: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(HEADER.pack(len(payload), OK) + payload)

    async def receive(self) -> bytes:
        assert self.process.stdout is not None
        header = await self.process.stdout.readexactly(HEADER.size)
        length, status = HEADER.unpack(header)
        if length > MAX_OUTPUT_BYTES:
            raise EngineError(f"the model answered {length} bytes, expected <= {MAX_OUTPUT_BYTES}")
        payload = await self.process.stdout.readexactly(length)
        if status == OK:
            return payload
        reason = payload.decode(errors="replace")
        raise InvalidInputError(reason) if status == REFUSED else EngineError(reason)

    async def stop(self) -> None:
        if self.is_alive:
            self.process.kill()
        await self.process.wait()


class Workers:
    """Runs models in child processes; safe to call from many tasks at once."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._workers: OrderedDict[bytes, _Worker] = OrderedDict()
        self._loading: dict[bytes, asyncio.Lock] = {}

    def is_loaded(self, model_id: bytes) -> bool:
        """Whether the model's worker runs."""
        worker = self._workers.get(model_id)
        return worker is not None and worker.is_alive

    def queue_length(self) -> int:
        """Requests that wait or run now, over all models."""
        return sum(worker.waiting for worker in self._workers.values())

    async def run(
        self, manifest: Manifest, folder: Path, data: bytes, parts: Sequence[Part] = ()
    ) -> bytes:
        """Answer one request, loading the model first if need be.

        Args:
            folder: Where the manifest's verified files lie.
            parts: Every model that a composition is made of.

        Raises:
            InvalidInputError: The model refuses this input.
            OverloadedError: The model's queue is full.
            EngineError: The model could not load, crashed, or took too long; the next call
                starts a fresh worker.
        """
        worker = await self.load(manifest, folder, parts)
        if worker.waiting >= self.limits.queue:
            raise OverloadedError(f"{worker.waiting} requests wait for this model, try again later")
        return await worker.ask(data, self.limits.run_s)

    async def load(self, manifest: Manifest, folder: Path, parts: Sequence[Part] = ()) -> _Worker:
        """Start the model's worker, or find it running."""
        model_id = manifest.model_id
        async with self._loading.setdefault(model_id, asyncio.Lock()):
            worker = self._workers.get(model_id)
            if worker is None or not worker.is_alive:
                worker = await self._start(Part(manifest, folder), parts)
                self._workers[model_id] = worker
            self._workers.move_to_end(model_id)
        await self._unload_beyond_limit()
        return worker

    async def _start(self, model: Part, parts: Sequence[Part]) -> _Worker:
        environment = {key: os.environ[key] for key in PASSED_ENVIRONMENT if key in os.environ}
        environment |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
        environment |= {"TOKENIZERS_PARALLELISM": "false", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "joynet_sdk.compute.worker",
            str(self.limits.memory_bytes),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )
        worker = _Worker(process)
        for part in (model, *parts):
            worker.send(os.fsencode(part.folder))
            worker.send(part.manifest.encode())
        await worker.ask(b"", self.limits.load_s)
        return worker

    async def _unload_beyond_limit(self) -> None:
        idle = [key for key, worker in self._workers.items() if not worker.waiting]
        for key in idle[: max(0, len(self._workers) - self.limits.loaded)]:
            await self._workers.pop(key).stop()

    async def close(self) -> None:
        """Stop every worker."""
        while self._workers:
            await self._workers.popitem()[1].stop()
