"""CPU time to start: `joynet --help` (contract: 300 ms) and `import joynet_sdk` (50 ms)."""

import resource
import subprocess
import sys
from statistics import median

from benchmarks.stopwatch import machine

RUNS = 7


def cpu_ms(code: str) -> float:
    """Median user and system time, in ms, of a fresh interpreter that runs `code`."""
    times = []
    for _ in range(RUNS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
        times.append(1000 * spent)
    return median(times)


def run() -> str:
    """The report in Markdown."""
    python = cpu_ms("pass")
    imported = cpu_ms("import joynet_sdk") - python
    helped = cpu_ms("from joynet_cli.main import run; run(['--help'])")
    return "\n".join(
        [
            "# CPU time to start",
            "",
            f"{machine()}. Median of {RUNS} fresh processes.",
            "",
            "| | CPU, ms | contract |",
            "|---|---:|---:|",
            f"| python alone | {python:.0f} | |",
            f"| `import joynet_sdk`, on top of that | {imported:.0f} | 50 |",
            f"| `joynet --help`, in all | {helped:.0f} | 300 |",
            "",
        ]
    )
