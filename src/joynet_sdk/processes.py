"""Which process is which: a pid together with its start time names one process for ever."""

import os
import select
import signal
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Process:
    """One process.

    Attributes:
        pid: Process id; the kernel uses it again later.
        started: Start time in clock ticks since boot, which tells them apart.
    """

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> "Process | None":
        """The process that has this pid now; None when there is none, or it is a zombie."""
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return None
        fields = stat.rpartition(")")[2].split()  # the name before it may hold anything
        return None if fields[0] in "ZX" else cls(pid, int(fields[19]))

    def is_alive(self) -> bool:
        """Whether this very process still runs."""
        return Process.of(self.pid) == self

    def stop(self, timeout_s: float) -> None:
        """Ask it to end, kill it when it has not in time. Never touches another process."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return
        try:
            for number, wait_s in ((signal.SIGTERM, timeout_s), (signal.SIGKILL, timeout_s)):
                if not self.is_alive():  # checked after the handle was opened: it cannot change
                    return
                signal.pidfd_send_signal(handle, number)
                if select.select([handle], [], [], wait_s)[0]:
                    break
        except ProcessLookupError:
            return
        finally:
            os.close(handle)
        deadline = time.monotonic() + timeout_s
        while self.is_alive() and time.monotonic() < deadline:
            time.sleep(0.01)
