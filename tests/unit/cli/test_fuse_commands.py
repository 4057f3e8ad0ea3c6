"""`joynet fuse` without a chain: specs, plans, builds, differences."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from joynet_sdk.fusion.mergekit_yaml import read_spec
from joynet_sdk.fusion.records import read_record
from joynet_sdk.merges import METHODS


@pytest.fixture
def models(project):
    for seed, name in enumerate(["base", "left", "right"]):
        random = torch.Generator().manual_seed(seed)
        tensors = {
            f"net.layers.{layer}.w": torch.randn(4, 6, generator=random) for layer in range(3)
        }
        (project / name).mkdir()
        save_file(tensors, project / name / "model.safetensors")
    return project


@pytest.fixture
def spec(models, joynet):
    run = joynet("fuse", "init", "./left", "./right", "--base", "./base", "--method", "dare_ties")
    assert run.exit_code == 0, run.stderr
    return models / "fusion.yaml"


@pytest.mark.parametrize("method", METHODS)
def test_init_writes_what_the_reader_takes(joynet, project, method):
    run = joynet("fuse", "init", "a", "b", "--method", method, "--json")
    assert run.document["result"] == {"path": "fusion.yaml", "method": method}
    found = read_spec(project / "fusion.yaml")
    assert (found.kind, found.merge_method) == ("weights", method)


def test_init_asks_before_it_replaces(joynet, spec):
    spec.write_text("mine")
    assert joynet("fuse", "init", "a", "b").exit_code == 2
    assert spec.read_text() == "mine"
    assert joynet("fuse", "init", "a", "b", "--yes").exit_code == 0


def test_methods_are_listed_and_described(joynet):
    listed = joynet("fuse", "methods", "--json").document["result"]
    assert [one["name"] for one in listed] == list(METHODS)
    text = joynet("fuse", "methods", "ties").stdout
    assert "arXiv:2306.01708" in text
    assert "density" in text
    missing = joynet("fuse", "methods", "tie", "--json")
    assert missing.exit_code == 5
    assert "ties" in missing.document["error"]["hint"]


def test_plan_build_and_diff(joynet, spec, models):
    planned = joynet("fuse", "plan", "fusion.yaml", "--json").document["result"]
    assert planned["parameters"] == 3 * 24
    assert planned["peak_bytes"] == 4 * planned["largest_tensor_bytes"]
    assert [one["method"] for one in planned["tensors"]] == ["dare_ties"] * 3
    text = joynet("fuse", "plan", "fusion.yaml", "--tensors").stdout
    assert "4.0 x the largest tensor" in text
    assert "net.layers.2.w" in text
    assert not (models / "out").exists()

    build = ("fuse", "build", "fusion.yaml", "--out", "out", "--no-smoke-test")
    dry = joynet(*build, "--dry-run")
    assert dry.exit_code == 0
    assert not (models / "out").exists()
    done = joynet(*build, "--json").document["result"]
    assert (done["tensors"], done["smoke"]) == (3, None)
    assert set(load_file(models / "out/model.safetensors")) == {
        f"net.layers.{layer}.w" for layer in range(3)
    }
    record = read_record(models / "out")
    assert record.spec == read_spec(spec)
    assert record.parents["./left"].folder == (models / "left").resolve()
    assert joynet(*build).exit_code == 2  # it is there

    apart = joynet("fuse", "diff", "out", "left", "--json").document["result"]
    assert all(one["l2"] > 0 and -1 <= one["cosine"] <= 1 for one in apart)
    text = joynet("fuse", "diff", "left", "./left").stdout
    assert text.startswith("3 tensors: 3 equal, 0 differ")


def test_names_of_the_hub_are_mapped_to_folders(joynet, models):
    (models / "kit.yaml").write_text(
        "merge_method: linear\nmodels: [{model: org/left}, {model: org/right}]\n"
    )
    command = ("fuse", "plan", "kit.yaml", "--json")
    missing = joynet(*command)
    assert missing.exit_code == 5
    assert "--model org/left=PATH" in missing.document["error"]["hint"]
    mapped = ("--model", "org/left=left", "--model", "org/right=right")
    assert joynet(*command, *mapped).exit_code == 0
    same = joynet(*command, "--model", "org/left=left", "--model", "org/right=./left")
    assert "are the same model" in same.document["error"]["message"]
    wrong = joynet(*command, *mapped, "--model", "org/lef=left")
    assert "the spec names org/left" in wrong.document["error"]["message"]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--model", "left"), 2),
        (("--shard-size", "5"), 2),
        (("--shard-size", "1KB"), 2),
        (("--shard-size", "xGB"), 2),
    ],
)
def test_wrong_options_are_refused(joynet, spec, options, code):
    assert joynet("fuse", "plan", "fusion.yaml", *options).exit_code == code


def test_pickles_are_refused_as_parents(joynet, spec, models):
    (models / "left" / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    run = joynet("fuse", "plan", "fusion.yaml", "--json")
    assert run.exit_code == 2
    assert "pytorch_model.bin" in run.document["error"]["message"]


def test_smoke_gate_that_refuses_keeps_the_build(joynet, spec, models):
    """Three matrices are no model that an engine runs: nothing can be checked."""
    run = joynet("fuse", "build", "fusion.yaml", "--out", "out", "--json")
    assert run.exit_code != 0
    assert (models / "out" / "model.safetensors").is_file()
    assert json.loads((models / "out.fusion.json").read_text())["format"] == "joynet-build/1"
