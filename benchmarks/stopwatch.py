"""Measure functions of a running program from outside: wrap them, then read the times."""

import functools
import inspect
import time
from collections import defaultdict
from pathlib import Path
from typing import Any


class Stopwatch:
    """Wall time of each call of the functions it was put on, in ms by name."""

    def __init__(self) -> None:
        self.times: dict[str, list[float]] = defaultdict(list)

    def watch(self, owner: Any, function: str, name: str) -> None:
        """Replace `owner.function` (plain or async) by one that is timed."""
        original = getattr(owner, function)

        @functools.wraps(original)
        def timed(*args: Any, **kwargs: Any) -> Any:
            started = time.perf_counter()
            try:
                return original(*args, **kwargs)
            finally:
                self.times[name].append(1000 * (time.perf_counter() - started))

        @functools.wraps(original)
        async def timed_async(*args: Any, **kwargs: Any) -> Any:
            started = time.perf_counter()
            try:
                return await original(*args, **kwargs)
            finally:
                self.times[name].append(1000 * (time.perf_counter() - started))

        setattr(owner, function, timed_async if inspect.iscoroutinefunction(original) else timed)

    def forget(self) -> None:
        """Start again, after a warm-up."""
        self.times.clear()

    def per_call(self, name: str, calls: int) -> float:
        """Mean ms spent in it by each of `calls` calls, however often they used it."""
        return sum(self.times[name]) / calls


def cpu_ms(pid: int) -> float:
    """CPU time that a process has used so far, over all its threads, in ms."""
    used = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        used += int((task / "schedstat").read_text().split()[0])
    return used / 1e6


def machine() -> str:
    """CPU model, cores and memory; nothing that names the machine."""
    cpu = next(
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    )
    cores = len(list(Path("/sys/devices/system/cpu").glob("cpu[0-9]*")))
    memory = int(Path("/proc/meminfo").read_text().split()[1]) / 2**20
    return f"{cpu}, {cores} cores, {memory:.0f} GiB of memory"
