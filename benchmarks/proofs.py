"""Proofs of the four models: time, memory, size, gas, accuracy, beside ezkl 23.0.5.

ezkl's figures are its own run on the same kind of machine (benchmarks/results/ezkl.json): scale 7,
public input and output, fixed weights. A row's ratio is ezkl's CPU time to prove over ours.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.gas_proofs import gas_of
from benchmarks.stopwatch import machine

MODELS = "abcd"
RUNS = 5
EZKL = Path(__file__).parent / "results" / "ezkl.json"
GOALS = {"a": (0.3, 0.2), "b": (4, 3), "c": (1.0, 0.7), "d": (1.5, 1.0)}  # CPU-s, stretch
GAS_GOALS = {"a": (500, 450), "b": (560, 500), "c": (660, 600), "d": (660, 600)}  # thousands


def run() -> str:
    """The report in Markdown."""
    with tempfile.TemporaryDirectory() as scratch:
        found = {name: _measured(name, Path(scratch) / name) for name in MODELS}
        inputs = {
            name: (Path(scratch) / name, bytes.fromhex(found[name]["input"])) for name in MODELS
        }
        gas = gas_of(inputs)
    ezkl = json.loads(EZKL.read_text())
    peers = ezkl["models"]
    return "\n".join(
        [
            "# Proofs of inference",
            "",
            f"{machine()}. Median of {RUNS} proofs in a process that has proved once before; CPU "
            "time of all threads. Ours through PoCL.",
            f"ezkl: {ezkl['machine']}.",
            "",
            "| model | parameters | accuracy, float to integer | prove, CPU-s | wall, s "
            "| goal (stretch) | ezkl prove, CPU-s | ratio | peak, MB | ezkl peak, MB | proof, B "
            "| ezkl proof, B | verify, CPU-ms | ezkl verify, CPU-ms |",
            "|---|---:|---|---:|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|",
            *(_row(name, found[name], peers[name]) for name in MODELS),
            "",
            "Gas of the whole transaction `InferenceVerifier.verify`, on anvil (prague), calldata "
            "and 21,000 included; a changed byte makes each proof false. What it goes into: "
            "proofs-gas.md.",
            "",
            "| model | gas | goal (stretch) | ezkl |",
            "|---|---:|---|---:|",
            *(_gas_row(name, gas[name], peers[name]) for name in MODELS),
            "",
            "CPU-ms by stage of one proof:",
            "",
            *(_stages(name, found[name]) for name in MODELS),
            "",
        ]
    )


def _measured(name: str, folder: Path) -> dict[str, Any]:
    """One model, in a process of its own."""
    folder.mkdir()
    command = [sys.executable, "-m", "benchmarks.proofs", name, str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _row(name: str, found: dict[str, Any], peer: dict[str, Any]) -> str:
    goal, stretch = GOALS[name]
    return (
        f"| {name} | {found['parameters']:,} | {found['loss']} | {found['prove_cpu']:.2f} "
        f"| {found['prove_wall']:.2f} | {goal} ({stretch}) | {peer['prove_cpu']} "
        f"| **{peer['prove_cpu'] / found['prove_cpu']:,.0f}x** | {found['peak_mb']:,} "
        f"| {peer['peak_mb']:,} | {found['proof_bytes']:,} | {peer['proof_bytes']:,} "
        f"| {1000 * found['verify_cpu']:.0f} | {1000 * peer['verify_cpu']:.0f} |"
    )


def _gas_row(name: str, gas: int, peer: dict[str, Any]) -> str:
    goal, stretch = GAS_GOALS[name]
    theirs = f"{peer['gas'] // 1000:,}k" if peer["gas"] else "not deployable"
    return f"| {name} | {gas:,} | {goal}k ({stretch}k) | {theirs} |"


def _stages(name: str, found: dict[str, Any]) -> str:
    shares = ", ".join(f"{k} {1000 * v:.0f}" for k, v in found["stages"].items())
    return (
        f"- {name}: {shares}; n1 {found['n1']}, n2 {found['n2']}, "
        f"{found['claims']} claims, estimate {found['estimate_cpu']:.2f} CPU-s"
    )


class Stages:
    """When each stage began."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.cpu: list[float] = []
        self.wall: list[float] = []
        self.enter("witness")

    def enter(self, name: str) -> None:
        """A stage begins now."""
        self.names.append(name)
        self.cpu.append(time.process_time())
        self.wall.append(time.perf_counter())


def measure(name: str, folder: Path) -> dict[str, Any]:
    """One model, in this process."""
    from benchmarks.proof_models import build
    from joynet_sdk import qmodel
    from joynet_sdk.paths import Home
    from joynet_sdk.proofs.inference import InferenceProver
    from joynet_sdk.qmodel.onnx_import import read_onnx
    from joynet_sdk.qmodel.quantize import quantize
    from joynet_sdk.qmodel.report import measure as accuracy_of

    onnx = build(name, folder)
    graph = read_onnx(onnx.path)
    flat = onnx.calibration.reshape(len(onnx.calibration), -1)
    made = quantize(graph, flat)
    held_out = onnx.inputs.reshape(len(onnx.inputs), -1)
    accuracy = accuracy_of(graph, made.model, held_out, onnx.labels)
    path = folder / "model.safetensors"
    qmodel.save(made.model, path)
    scale = float(made.model.input.scale or 1)
    data = np.clip(np.rint(held_out[0] / scale), -128, 127).astype(np.int8).tobytes()
    prover = InferenceProver(Home(Path.home() / ".joynet"))
    file = prover.prove_offline(path, bytes(32), data)
    cpu, wall, stages = [], [], {}
    for _ in range(RUNS):
        seen = Stages()
        key = prover.workshop.key(path)
        witness = prover.workshop.witness(key, data)
        prover.workshop.prove(key, file.statement, witness, seen.enter)
        seen.enter("end")
        cpu.append(seen.cpu[-1] - seen.cpu[0])
        wall.append(seen.wall[-1] - seen.wall[0])
        stages = {
            name: b - a for name, a, b in zip(seen.names, seen.cpu, seen.cpu[1:], strict=False)
        }
    at = time.process_time()
    prover.check(file)
    verify = time.process_time() - at
    circuit = prover.workshop.key(path).compiled.circuit
    return {
        "input": data.hex(),
        "parameters": made.model.parameters,
        "loss": _loss(accuracy),
        "prove_cpu": median(cpu),
        "prove_wall": median(wall),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "proof_bytes": len(file.proof),
        "verify_cpu": verify,
        "stages": stages,
        "n1": circuit.rounds,
        "n2": circuit.variables,
        "claims": len(circuit.claims),
        "estimate_cpu": prover.estimate(path).cpu_s,
    }


def _loss(accuracy: Any) -> str:
    """Top-1 where there are labels, else how close the outputs are."""
    if accuracy.float_top1 is None:
        return f"cosine {accuracy.cosine:.4f}, largest error {accuracy.max_error:.3f}"
    return f"{100 * accuracy.float_top1:.1f} % to {100 * accuracy.integer_top1:.1f} %"


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], Path(sys.argv[2]))))
