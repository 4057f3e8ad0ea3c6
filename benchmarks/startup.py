"""CPU time to start: `joynet --help` (contract: 300 ms) and `import joynet_sdk` (50 ms)."""

import resource
import subprocess
import sys
from statistics import median

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


if __name__ == "__main__":
    python = cpu_ms("pass")
    print(f"python alone       {python:6.1f} ms")
    print(f"import joynet_sdk  {cpu_ms('import joynet_sdk') - python:6.1f} ms more, contract 50")
    help_ms = cpu_ms("from joynet_cli.main import run; run(['--help'])")
    print(f"joynet --help      {help_ms:6.1f} ms in all, contract 300")
