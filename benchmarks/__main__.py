"""`python -m benchmarks [NAME...] [--save]`: run all benchmarks, or those named.

With --save the reports are written to benchmarks/results/.
"""

import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks import fusion, gas_names, latency, names, proofs, startup

RESULTS = Path(__file__).parent / "results"
BENCHMARKS: dict[str, Callable[[], str]] = {
    "startup": startup.run,
    "latency": latency.run,
    "names": names.run,
    "proofs": proofs.run,
    "gas_names": gas_names.run,
    "fusion": fusion.run,
}


def main() -> int:
    """Run, print, perhaps save."""
    words = [word for word in sys.argv[1:] if word != "--save"]
    if unknown := [word for word in words if word not in BENCHMARKS]:
        print(f"no benchmark {unknown[0]!r}, there are: {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    for name in words or BENCHMARKS:
        report = BENCHMARKS[name]()
        print(report)
        if "--save" in sys.argv:
            RESULTS.mkdir(exist_ok=True)
            (RESULTS / f"{name}.md").write_text(report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
