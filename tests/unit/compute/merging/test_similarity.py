"""How near models are: figures that can be told by hand, files of every float, bounds."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from joynet_sdk.compute.merging import similarity
from joynet_sdk.compute.merging.similarity import compare_arrays, compare_folders, measure_speed
from joynet_sdk.errors import InvalidInputError

BASE = {"w": np.zeros((2, 2)) + 10.0, "bias": np.ones(2)}


def moved(*values: float) -> dict[str, np.ndarray]:
    return {"w": BASE["w"] + np.array(values).reshape(2, 2), "bias": -BASE["bias"]}


def test_figures_by_hand():
    near = compare_arrays([moved(1, 1, 0, 0), moved(1, -1, 0, 2)], BASE)
    a, b = np.array([11, 11, 10, 10]), np.array([11, 9, 10, 12])
    assert near.weight_cosine == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
    mean = (np.linalg.norm(a) + np.linalg.norm(b)) / 2
    assert near.distance == pytest.approx(np.linalg.norm(a - b) / mean)
    assert near.norm_ratio == pytest.approx(np.linalg.norm(a) / np.linalg.norm(b))
    assert near.task_cosine == pytest.approx(0.0)
    assert near.sign_agreement == 0.5
    assert near.task_norm == pytest.approx(np.sqrt(6) / 20)
    assert (near.parameters, near.sampled, near.farthest) == (4, 4, "w")


def test_without_a_base_there_are_no_task_vectors():
    near = compare_arrays([BASE, BASE])
    assert near.weight_cosine == pytest.approx(1)
    assert near.distance == pytest.approx(0, abs=1e-6)
    assert (near.task_cosine, near.least_task_cosine, near.sign_agreement, near.task_norm) == (
        (None,) * 4
    )


def test_models_that_did_not_move_agree():
    near = compare_arrays([BASE, BASE], BASE)
    assert (near.task_cosine, near.sign_agreement, near.task_norm) == (1, 1, 0)


def test_nothing_in_common():
    assert compare_arrays([{"a": np.ones((2, 2))}, {"b": np.ones((2, 2))}]) is None
    assert compare_arrays([{"a": np.ones((2, 2))}, {"a": np.ones((2, 3))}]) is None


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_files_say_the_same_as_arrays(dtype, tmp_path):
    generator = torch.Generator().manual_seed(1)
    models = []
    for name in "abc":
        (tmp_path / name).mkdir()
        tensors = {
            "x.weight": torch.randn(16, 8, generator=generator).to(dtype),
            "y.weight": torch.randn(4, 4, generator=generator).to(dtype),
            "ids": torch.arange(4),
        }
        first = {"x.weight": tensors.pop("x.weight")}
        save_file(first, tmp_path / name / "model-1.safetensors")
        save_file(tensors, tmp_path / name / "model-2.safetensors")
        models.append({**first, "y.weight": tensors["y.weight"]})
    arrays = [{k: v.to(torch.float64).numpy() for k, v in model.items()} for model in models]
    found = compare_folders([tmp_path / "a", tmp_path / "b"], tmp_path / "c")
    assert found == pytest.approx(compare_arrays(arrays[:2], arrays[2]))


def test_only_scanned_files_are_read(tmp_path):
    for name in "ab":
        (tmp_path / name / ".cache").mkdir(parents=True)
        save_file({"w": torch.ones(2, 2)}, tmp_path / name / "model.safetensors")
        (tmp_path / name / ".cache" / "x.safetensors").write_bytes(b"\xff" * 64)
    assert compare_folders([tmp_path / "a", tmp_path / "b"]).parameters == 4
    one = compare_folders([tmp_path / name / "model.safetensors" for name in "ab"])
    assert one.parameters == 4
    (tmp_path / "a" / "x.safetensors").write_bytes(b"\xff" * 64)
    with pytest.raises(InvalidInputError, match="header claims"):
        compare_folders([tmp_path / "a", tmp_path / "b"])


def test_samples_stand_for_the_whole(monkeypatch):
    rng = np.random.default_rng(0)
    base = {f"{i}.weight": rng.normal(size=(200, 200)) for i in range(8)}
    models = [{k: v + rng.normal(size=v.shape) * 0.1 for k, v in base.items()} for _ in range(2)]
    whole = compare_arrays(models, base)
    monkeypatch.setattr(similarity, "MAX_ELEMENTS", 40_000)
    part = compare_arrays(models, base)
    assert part.sampled <= 40_000 < whole.sampled == part.parameters == 320_000
    assert part.weight_cosine == pytest.approx(whole.weight_cosine, abs=0.002)
    assert part.distance == pytest.approx(whole.distance, abs=0.01)
    assert part.sign_agreement == pytest.approx(whole.sign_agreement, abs=0.02)
    assert part == compare_arrays(models, base)


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_broken_weights_are_named(broken):
    with pytest.raises(InvalidInputError, match="w holds NaN or infinite weights"):
        compare_arrays([BASE, moved(0, broken, 0, 0)])


def test_speed_is_measured_in_moments(tmp_path):
    save_file({"x": torch.zeros(1024)}, tmp_path / "model.safetensors")
    speed = measure_speed(tmp_path)
    assert speed.read > 0
    assert speed.compute > 0


def test_torch_is_not_needed():
    code = (
        "import sys, json\n"
        "import joynet_sdk.compute.merging.similarity\n"
        "print(json.dumps(sorted({'torch', 'transformers', 'safetensors'} & set(sys.modules))))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(run.stdout) == []
