"""One OpenCL device at work: its programs, its memory, its time."""

import weakref
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache as once
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from joynet_sdk.errors import ConfigError, InvalidInputError
from joynet_sdk.proofs.devices import Device, select
from joynet_sdk.proofs.programs import ProgramCache

if TYPE_CHECKING:
    import pyopencl

SHARE_OF_MEMORY = 0.75  # of the device's, when no budget is given


@dataclass
class KernelTime:
    """Device time that launches of one kernel took.

    Attributes:
        calls: Launches.
        seconds: Sum of their run times on the device's clock.
    """

    calls: int = 0
    seconds: float = 0.0


@dataclass
class Runtime:
    """One OpenCL device with an in-order queue. Not for use by two threads at once.

    Attributes:
        context: The `pyopencl.Context`.
        queue: The `pyopencl.CommandQueue`, with profiling.
        device: What the device is.
        memory_bytes: Most bytes that live buffers may take together.
        used_bytes: Bytes that they take now.
    """

    context: Any
    queue: Any
    device: Device
    memory_bytes: int
    programs: ProgramCache
    used_bytes: int = 0
    peak_bytes: int = 0
    _kernels: "dict[tuple[int, str], pyopencl.Kernel]" = field(default_factory=dict)
    _events: list[tuple[str, Any]] | None = None

    @classmethod
    def open(
        cls,
        device: str | None = None,
        memory_bytes: int | None = None,
        *,
        cache: Path | None = None,
    ) -> "Runtime":
        """Open a device.

        Args:
            device: As in `devices.select`; None for the best one.
            memory_bytes: Budget for buffers; None for three quarters of the device's memory.
            cache: Folder of compiled programs; None for the one in the JoyNet home.

        Raises:
            MissingDependencyError: pyopencl is not installed.
            ConfigError: There is no OpenCL device.
            NotFoundError: No device is called `device`.
        """
        described, handle = select(device)
        import pyopencl

        context = pyopencl.Context([handle])
        profiling = pyopencl.command_queue_properties.PROFILING_ENABLE
        queue = pyopencl.CommandQueue(context, properties=profiling)
        if memory_bytes is None:
            memory_bytes = int(described.memory_bytes * SHARE_OF_MEMORY)
        programs = ProgramCache(context, handle, described, cache)
        return cls(context, queue, described, memory_bytes, programs)

    @property
    def is_cpu(self) -> bool:
        """Whether a few fat work-items suit the device better than many thin ones."""
        return self.device.kind == "CPU"

    # --- programs

    def program(
        self, *names: str, defines: Mapping[str, str | int] | None = None
    ) -> "pyopencl.Program":
        """The built program of `kernels/<name>.cl`, concatenated in this order.

        It is kept in memory and on disk; a binary on disk is preferred to building.

        Args:
            names: File names without the suffix, e.g. "bn254_field", "msm".
            defines: Macros, given to the compiler as -D NAME=value.

        Raises:
            NotFoundError: There is no such kernel file.
            ConfigError: The device's compiler refuses the source; the message ends with its log.
        """
        return self.programs.get(names, defines)

    def kernel(
        self, name: str, *files: str, defines: Mapping[str, str | int] | None = None
    ) -> "pyopencl.Kernel":
        """One kernel of the program of `files`, made once."""
        import pyopencl

        program = self.program(*files, defines=defines)
        key = (id(program), name)
        if key not in self._kernels:
            self._kernels[key] = pyopencl.Kernel(program, name)
        return self._kernels[key]

    def launch(
        self,
        kernel: "pyopencl.Kernel",
        items: int,
        *arguments: Any,
        group: int | None = None,
    ) -> None:
        """Enqueue `kernel` over one dimension.

        Args:
            kernel: From `kernel` or `program`.
            items: Work-items, >= 1; a multiple of `group`.
            arguments: Buffers and NumPy scalars of the exact C type.
            group: Work-items of a group; None lets the device choose.
        """
        event = kernel(self.queue, (items,), (group,) if group else None, *arguments)
        if self._events is not None:
            self._events.append((kernel.function_name, event))

    def finish(self) -> None:
        """Wait until everything enqueued has run."""
        self.queue.finish()

    @contextmanager
    def profile(self) -> Iterator[dict[str, KernelTime]]:
        """Measure the launches made in the block; the dictionary is filled when it ends."""
        times: dict[str, KernelTime] = defaultdict(KernelTime)
        outer, self._events = self._events, []
        try:
            yield times
            self.finish()
            for name, event in self._events:
                times[name].calls += 1
                times[name].seconds += (event.profile.end - event.profile.start) * 1e-9
        finally:
            if outer is not None:
                outer += self._events
            self._events = outer

    # --- memory

    def upload(self, array: NDArray[Any]) -> "pyopencl.Buffer":
        """Copy an array to the device.

        Raises:
            ConfigError: It does not fit the budget.
        """
        import pyopencl

        source = np.ascontiguousarray(array)
        buffer = self.empty(source.nbytes)
        if source.nbytes:
            pyopencl.enqueue_copy(self.queue, buffer, source)
        return buffer

    def empty(self, nbytes: int) -> "pyopencl.Buffer":
        """Memory on the device with arbitrary content. It is freed with the last reference.

        Args:
            nbytes: Size, >= 0 (OpenCL knows no empty buffer: 0 takes 8 bytes).

        Raises:
            ConfigError: It does not fit the budget, or the device refuses.
        """
        import pyopencl

        if nbytes < 0:
            raise InvalidInputError(f"a buffer of {nbytes} bytes: expected a size >= 0")
        size = max(nbytes, 8)
        if self.used_bytes + size > self.memory_bytes:
            raise ConfigError(
                f"device memory: {self._mb(size)} needed, {self._mb(self.used_bytes)} in use, "
                f"the budget is {self._mb(self.memory_bytes)}",
                hint="raise the memory budget, or use a smaller model or another --device",
            )
        try:
            buffer = _buffer_type()(self.context, pyopencl.mem_flags.READ_WRITE, size)
        except pyopencl.Error as error:
            raise ConfigError(f"{self.device.name} refuses {self._mb(size)}: {error}") from None
        self.used_bytes += size
        self.peak_bytes = max(self.peak_bytes, self.used_bytes)
        weakref.finalize(buffer, self._forget, size)
        return buffer

    def download(
        self, buffer: "pyopencl.Buffer", shape: int | tuple[int, ...], dtype: DTypeLike
    ) -> NDArray[Any]:
        """Copy the start of a buffer to a new array, after all that was enqueued before.

        Raises:
            InvalidInputError: The buffer is smaller than the array.
        """
        import pyopencl

        array = np.empty(shape, dtype)
        if array.nbytes > buffer.size:
            raise InvalidInputError(f"download of {array.nbytes} bytes from {buffer.size}")
        if array.nbytes:
            pyopencl.enqueue_copy(self.queue, array, buffer)
        return array

    def clear(self, buffer: "pyopencl.Buffer") -> None:
        """Fill a buffer with zero bytes."""
        import pyopencl

        pyopencl.enqueue_fill(self.queue, buffer, np.zeros(1, np.uint64), buffer.size)

    def _forget(self, size: int) -> None:
        self.used_bytes -= size

    @staticmethod
    def _mb(nbytes: int) -> str:
        return f"{nbytes / 1e6:,.1f} MB"


@once
def _buffer_type() -> "type[pyopencl.Buffer]":
    """`pyopencl.Buffer` does not allow weak references, which count what is in use; this does."""
    import pyopencl

    return type("Buffer", (pyopencl.Buffer,), {})
