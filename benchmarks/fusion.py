"""Merging weights, beside mergekit 0.1.5: time and memory of whole processes on the same models.

Models with the tensors of a Llama are made on the fly, in shards. Both read the same YAML and write
shards of the same size. mergekit runs in an environment of its own that shares torch. A run is a
process of its own, from start to end, imports included; the two take turns.

Resident memory counts pages of mapped files, which the kernel may drop at any time; anonymous
memory is what it cannot, sampled every few milliseconds.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.stopwatch import machine

PEER = ("mergekit==0.1.5", "immutables", "peft")
# dtype -> layers: both models have at least 500 MB.
LAYERS = {"bfloat16": 16, "float32": 6}
VOCABULARY = 32_000
SHARD_BYTES = 200_000_000
SAMPLE_S = 0.005
BYTES = {"bfloat16": 2, "float32": 4}


class Run(NamedTuple):
    """One process: seconds, and MB of 10^6 bytes."""

    wall: float
    cpu: float
    resident: float
    anonymous: float


def measured(argv: list[str | Path], log: Path) -> Run:
    """Run a program to its end."""
    with log.open("wb") as output:
        started = time.perf_counter()
        process = subprocess.Popen(argv, stdout=output, stderr=output)
        anonymous = 0.0
        while True:
            pid, status, used = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            anonymous = max(anonymous, anonymous_mb(process.pid))
            time.sleep(SAMPLE_S)
        wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{argv[:4]} failed:\n{log.read_text()[-2000:]}")
    resident = used.ru_maxrss * 1024 / 1e6
    return Run(wall, used.ru_utime + used.ru_stime, resident, anonymous)


def anonymous_mb(pid: int) -> float:
    """Memory of a process that no file backs, or 0 when it is gone."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024 / 1e6
    except (FileNotFoundError, ProcessLookupError):
        pass
    return 0.0


def mergekit(folder: Path) -> Path:
    """mergekit's command, in an environment that shares this one's packages."""
    venv.create(folder, with_pip=True)
    own = sysconfig.get_path("purelib", vars={"base": str(folder)})
    Path(own, "shared.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-deps", *PEER]
    subprocess.run(pip, check=True, stderr=subprocess.DEVNULL)
    return folder / "bin" / "mergekit-yaml"


def specs(base: Path, one: Path, two: Path, dtype: str) -> dict[str, dict[str, Any]]:
    """What is merged, by method."""

    def models(**parameters: float) -> list[dict[str, Any]]:
        return [{"model": str(path), "parameters": parameters} for path in (one, two)]

    common = {"dtype": dtype}
    based = {"base_model": str(base), **common}
    ends = [{"model": str(base)}, {"model": str(one)}]
    half = {"weight": 0.5, "density": 0.5}
    return {
        "linear": {"merge_method": "linear", "models": models(weight=0.5), **common},
        "slerp": {"merge_method": "slerp", "models": ends, "parameters": {"t": 0.4}, **based},
        "task_arithmetic": {
            "merge_method": "task_arithmetic", "models": models(weight=0.5), **based,
        },
        "ties": {"merge_method": "ties", "models": models(**half), **based},
        "dare_ties": {"merge_method": "dare_ties", "models": models(**half), **based},
    }  # fmt: skip


def side_by_side(spec: Path, folder: Path, peer: Path) -> tuple[Run, Run, dict[str, float]]:
    """A run of ours and one of theirs, and how far apart the results are."""
    ours, theirs = folder / "ours", folder / "theirs"
    worker = [sys.executable, "-m", "benchmarks.fusion_worker"]
    mine = measured([*worker, "merge", spec, ours, str(SHARD_BYTES)], folder / "ours.log")
    # mergekit counts a shard in bytes too, whatever its help says.
    options = ["--out-shard-size", str(SHARD_BYTES), "--no-copy-tokenizer", "--quiet"]
    their = measured([peer, spec, theirs, *options], folder / "theirs.log")
    found = subprocess.run(
        [*worker, "compare", ours, theirs], check=True, capture_output=True, text=True
    )
    shutil.rmtree(ours)
    shutil.rmtree(theirs)
    return mine, their, json.loads(found.stdout)


def rows(dtype: str, folder: Path, peer: Path) -> list[str]:
    """A table's rows for models of one dtype."""
    names = ["base", "one", "two"]
    for seed, name in enumerate(names):
        words = [str(folder / name), str(seed), dtype, str(LAYERS[dtype]), str(VOCABULARY)]
        worker = [sys.executable, "-m", "benchmarks.fusion_worker", "make", *words]
        subprocess.run(worker, check=True)
    size = sum(path.stat().st_size for path in (folder / "base").glob("*.safetensors")) / 1e6
    lines = []
    for method, spec in specs(*(folder / name for name in names), dtype).items():
        path = folder / "spec.yaml"
        path.write_text(json.dumps(spec))
        ours, theirs, apart = side_by_side(path, folder, peer)
        cells = [
            f"{mine:.{digits}f} / {their:.{digits}f}"
            for mine, their, digits in zip(ours, theirs, (1, 1, 0, 0), strict=True)
        ]
        is_comparable = dtype == "float32" and method != "dare_ties"
        difference = f"{apart['difference']:.1e}" if is_comparable else ""
        lines.append(f"| {method} | {dtype}, {size:.0f} MB | {' | '.join(cells)} | {difference} |")
        print(lines[-1], file=sys.stderr)
    return lines


def run() -> str:
    """Measure and describe."""
    lines = []
    with tempfile.TemporaryDirectory() as name:
        peer = mergekit(Path(name) / "mergekit")
        for dtype in LAYERS:
            folder = Path(name) / dtype
            folder.mkdir()
            lines += rows(dtype, folder, peer)
            shutil.rmtree(folder)
    heads = ["wall s", "CPU s", "peak resident MB", "peak anonymous MB"]
    return "\n".join(
        [
            "# Merging weights, ours / mergekit 0.1.5",
            "",
            f"{machine()}. Two models of a Llama's shape, and their base where the method has one,",
            "in shards of 200 MB. Each run is a process of its own, imports included. mergekit",
            "computes in the models' dtype, we in float32. Anonymous memory leaves out mapped",
            "pages of files. The difference is the largest of any weight, both in float32.",
            "",
            f"| method | model | {' | '.join(heads)} | difference |",
            "|---|---|---:|---:|---:|---:|---:|",
            *lines,
            "",
            "Of equal magnitudes at the bound of TIES mergekit keeps any (an unstable sort), we",
            "the first: in large tensors a few weights may differ by a task vector's element.",
            "",
        ]
    )
