"""`joynet model quantize`: files in, a QModel and a report out."""

import json

import numpy as np
import pytest

from joynet_cli.testing import run_cli
from joynet_sdk import qmodel
from joynet_sdk.models import describe

from .graphs import node, onnx_file


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(5)
    inputs, weight = rng.uniform(-1, 1, (60, 4)), rng.normal(size=(4, 3))
    onnx_file(tmp_path / "tiny.onnx", [node("MatMul", "x w")], {"w": weight.astype(np.float32)})
    np.save(tmp_path / "x.npy", inputs)
    (tmp_path / "y.json").write_text(json.dumps((inputs @ weight).argmax(1).tolist()))
    return tmp_path


def quantize(files, *options, home):
    command = ["model", "quantize", "tiny.onnx", "--calibrate", "x.npy", *options]
    return run_cli(command, env={"JOYNET_HOME": str(home)}, cwd=files)


def test_report_and_file(files, tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    result = quantize(files, "--labels", "y.json", "--json", home=home)
    assert result.value["accuracy"]["float_top1"] == 1.0
    assert result.value["accuracy"]["integer_top1"] >= 0.95
    assert result.value["accuracy"]["samples"] == 60
    [layer] = result.value["layers"]
    assert (layer["op"], layer["shape"]) == ("gemm", [3])
    assert layer["snr_db"] > 30
    model = qmodel.load(files / "tiny" / "model.safetensors")
    assert result.value["path"] == "tiny/model.safetensors"
    assert result.value["input"] == {"shape": [4], "scale": model.input.scale}
    card = describe(files / "tiny", title="Tiny", license_id="MIT", labels=["a", "b", "c"])
    assert (card.input.shape, card.output.shape, card.architecture) == ([4], [3], "qmodel/2")


def test_table_for_people(files, tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    result = quantize(files, "--out", "m.safetensors", "--input-scale", "0.01", home=home)
    assert result.exit_code == 0
    assert "gemm0" in result.stdout
    assert "12 parameters" not in result.stdout  # weights and biases
    assert "15 parameters" in result.stdout
    assert "wrote m.safetensors" in result.stdout
    assert qmodel.load(files / "m.safetensors").input.scale == "0.01"


def test_existing_file_is_not_replaced_without_a_yes(files, tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    (files / "m.safetensors").write_bytes(b"mine")
    refused = quantize(files, "--out", "m.safetensors", home=home)
    assert refused.exit_code == 2
    assert (files / "m.safetensors").read_bytes() == b"mine"
    assert quantize(files, "--out", "m.safetensors", "--yes", home=home).exit_code == 0
    assert (files / "m.safetensors").read_bytes() != b"mine"


def test_dry_run_writes_nothing(files, tmp_path_factory):
    result = quantize(files, "--dry-run", "--json", home=tmp_path_factory.mktemp("home"))
    assert result.value["plan"] == "write tiny/model.safetensors"
    assert not (files / "tiny").exists()


def test_unsupported_node_is_named(files, tmp_path_factory):
    onnx_file(files / "tiny.onnx", [node("Einsum", "x x", equation="ab,ab->ab")])
    result = quantize(files, home=tmp_path_factory.mktemp("home"))
    assert result.exit_code == 2
    assert "'einsum-y' (Einsum) is not supported" in result.stderr
    assert "LayerNormalization" in result.stderr
