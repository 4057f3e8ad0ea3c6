"""mergekit 0.1.5 as a peer: the same parents and parameters give the same tensors.

It runs in an environment of its own that shares this one's torch. What is random cannot be equal,
as its generators differ: there, densities, means and variances over 20 seeds are compared.
"""

import json
import logging
import math
import subprocess
import sysconfig
import venv
from collections import defaultdict
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import fmean, variance
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from joynet_sdk.compute.merging.inputs import MergeInputs
from joynet_sdk.compute.merging.methods import merge
from joynet_sdk.merges import METHODS

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900)]

NEEDS = ("mergekit==0.1.5", "immutables", "peft")
SHAPES = {"matrix": (96, 160), "vector": (513,), "kernel": (12, 10, 3, 3), "thin": (7, 1)}
TOLERANCE = 1e-6
log = logging.getLogger("mergekit")  # the figures: --log-cli-level=info
SEEDS = 20


@dataclass(frozen=True)
class Case:
    """One merge for both."""

    method: str
    shape: str
    models: int
    has_base: bool
    settings: dict[str, Any] = field(default_factory=dict)
    parameters: list[dict[str, float]] = field(default_factory=list)
    seed: int | None = None


@pytest.fixture(scope="session")
def mergekit(tmp_path_factory) -> Path:
    """A Python that has mergekit; torch and the rest are those of this environment."""
    folder = tmp_path_factory.mktemp("mergekit")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    theirs = sysconfig.get_path("purelib", vars={"base": str(folder)})
    Path(theirs, "shared.pth").write_text(sysconfig.get_path("purelib") + "\n")
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--no-deps", *NEEDS], check=True, timeout=600
    )
    return python


def parents() -> dict[str, torch.Tensor]:
    """For each shape a base with weights as in language models, and four models near it."""
    random = np.random.default_rng(7)
    tensors = {}
    for name, shape in SHAPES.items():
        base = (0.05 * random.normal(size=shape)).astype(np.float32)
        tensors[f"{name}.base"] = base
        for index in range(4):
            step = 0.02 * random.normal(size=shape) * (random.random(shape) < 0.9)
            tensors[f"{name}.{index}"] = (base + step).astype(np.float32)
    return {name: torch.from_numpy(values) for name, values in tensors.items()}


def inputs(case: Case, tensors: dict[str, torch.Tensor]) -> MergeInputs:
    return MergeInputs(
        name="layer.weight",
        tensors=tuple(tensors[f"{case.shape}.{index}"] for index in range(case.models)),
        parameters=tuple(case.parameters) or ({},) * case.models,
        base=tensors[f"{case.shape}.base"] if case.has_base else None,
        settings=case.settings,
        seed=case.seed or 0,
    )


def theirs(python: Path, folder: Path, cases: list[Case], tensors) -> list[torch.Tensor]:
    """mergekit's results, in one process."""
    save_file(tensors, folder / "parents.safetensors")
    (folder / "cases.json").write_text(json.dumps([asdict(case) for case in cases]))
    files = [folder / "cases.json", folder / "parents.safetensors", folder / "merged.safetensors"]
    script = Path(__file__).with_name("mergekit_peer.py")
    subprocess.run([python, script, *files], check=True, timeout=600)
    merged = load_file(files[2])
    return [merged[str(index)] for index in range(len(cases))]


def deterministic() -> list[Case]:
    """Every deterministic method over shapes and a spread of parameters.

    Angles between vectors of three elements (the kernel's last axis) are left out: some are nearly
    opposed, where mergekit's float32 result is off from its own float64 result by up to 1e-5.
    """
    cases = []
    for shape in SHAPES:
        for weights in ([1.0, 1.0, 1.0], [0.2, 0.5, 0.9], [1.5, -0.4, 0.3]):
            each = [{"weight": weight} for weight in weights]
            for normalize in (True, False):
                switch = {"normalize": normalize}
                cases.append(Case("linear", shape, 3, False, switch, each))
                cases.append(
                    Case("task_arithmetic", shape, 3, True, switch | {"lambda": 0.7}, each)
                )
                for density in (0.0, 0.013, 0.3, 0.75, 1.0):
                    kept = [values | {"density": density} for values in each]
                    for rescale in (True, False):
                        both = switch | {"rescale": rescale, "lambda": 1.3}
                        cases.append(Case("ties", shape, 3, True, both, kept))
                        for gamma in (0.01, 0.2):
                            ends = [values | {"gamma": gamma} for values in kept]
                            cases.append(Case("breadcrumbs", shape, 3, True, both, ends))
                            cases.append(Case("breadcrumbs_ties", shape, 3, True, both, ends))
        cases += [Case("slerp", shape, 1, True, {"t": t}) for t in (0.0, 0.3, 0.5, 1.0, 1.4)]
        for weights in ([1.0, 1.0], [0.2, 0.9], [1.0, -1.0]):
            each = [{"weight": weight} for weight in weights]
            for kind in ({}, {"nuslerp_flatten": False}) if shape != "kernel" else ({},):
                for is_row_wise in (False, True):
                    arcs = kind | {"nuslerp_row_wise": is_row_wise}
                    cases.append(Case("nuslerp", shape, 2, True, arcs, each))
                    cases.append(Case("nuslerp", shape, 2, False, arcs, each))
        for count in (2, 4):
            cases.append(Case("model_stock", shape, count, True, {"filter_wise": False}))
            if shape != "kernel":
                cases.append(Case("model_stock", shape, count, True, {"filter_wise": True}))
        cases.append(Case("passthrough", shape, 1, False))
        cases.append(Case("passthrough", shape, 1, False, {}, [{"scale": -0.5}]))
    return cases


def furthest(merged: torch.Tensor, wanted: torch.Tensor) -> float:
    """Largest difference, as it is or as a part of the largest weight: whichever is more."""
    difference = float((merged - wanted).abs().max())
    return max(difference, difference / float(wanted.abs().max()))


def test_deterministic_methods_give_mergekits_tensors(mergekit, tmp_path):
    tensors, cases = parents(), deterministic()
    found: dict[str, list[float]] = defaultdict(list)
    for case, wanted in zip(cases, theirs(mergekit, tmp_path, cases, tensors), strict=True):
        difference = furthest(merge(case.method, inputs(case, tensors)), wanted)
        assert difference <= TOLERANCE, (case, difference)
        found[case.method].append(difference)
    assert set(found) == {name for name, method in METHODS.items() if not method.is_random}
    for name, differences in found.items():
        log.info(f"| {name} | {len(differences)} | {max(differences):.1e} |")


RANDOM = [
    Case(method, "matrix", models, True, {}, each)
    for method in ("dare_linear", "dare_ties", "della", "della_linear")
    for models, each in (
        (1, [{"weight": 1.0, "density": 0.3}]),
        (3, [{"weight": w, "density": 0.6} for w in (0.5, 0.8, 1.0)]),
    )
]


def statistics(merged: torch.Tensor, tensors: dict[str, torch.Tensor]) -> dict[str, float]:
    """Of what a merge added to the base: the part that is not zero, mean and variance."""
    added = (merged - tensors["matrix.base"]).double()
    return {
        "density": float((added.abs() > 1e-9).double().mean()),
        "mean": float(added.mean()),
        "variance": float(added.var()),
    }


@pytest.mark.parametrize("case", RANDOM, ids=lambda case: f"{case.method}-{case.models}")
def test_random_methods_have_mergekits_statistics(case, mergekit, tmp_path):
    tensors = parents()
    cases = [replace(case, seed=seed) for seed in range(SEEDS)]
    peer = [statistics(merged, tensors) for merged in theirs(mergekit, tmp_path, cases, tensors)]
    ours = [statistics(merge(each.method, inputs(each, tensors)), tensors) for each in cases]
    assert len({tuple(each.values()) for each in ours}) == SEEDS
    words = []
    for name in ("density", "mean", "variance"):
        mine, their = ([each[name] for each in side] for side in (ours, peer))
        difference = fmean(mine) - fmean(their)
        error = math.sqrt((variance(mine) + variance(their)) / SEEDS)
        words.append(f"{difference:+.1e} ({difference / error:+.1f} SE)")
        assert abs(difference) <= 3 * error, (name, difference, error)
        if name == "density":
            assert abs(difference) <= 0.01
    log.info(f"| {case.method} | {case.models} | {' | '.join(words)} |")
