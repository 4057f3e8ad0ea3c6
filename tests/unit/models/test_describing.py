"""What lies in a folder, and how it is served."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.models import describe
from joynet_sdk.storage.scan import scan_model


def folder(path: Path, **config: object) -> Path:
    (path / "config.json").write_text(json.dumps({"model_type": "vit", **config}))
    return path


def test_an_encoder(tmp_path):
    card = describe(folder(tmp_path, hidden_size=32), title="E")
    assert (card.engine.profile, card.output.shape) == ("embed-mean-fp32/1", [32])
    assert (card.license, card.version) == ("Apache-2.0", "1")


def test_an_image_classifier(tmp_path):
    config = {
        "architectures": ["ViTForImageClassification"],
        "image_size": 8,
        "num_channels": 1,
        "id2label": {"1": "one", "0": "zero"},
    }
    card = describe(folder(tmp_path, **config), title="V")
    assert (card.engine.profile, card.verification) == ("classify-image-fp32/1", "tolerant")
    assert (card.input.dtype, card.input.shape) == ("float32", [1, 8, 8])
    assert (card.output.kind, card.output.labels) == ("vector", ["zero", "one"])
    (tmp_path / "preprocessor_config.json").write_text("{}")
    assert describe(tmp_path, title="V").input.dtype == "uint8"


def test_a_text_classifier(tmp_path):
    named = {"architectures": ["BertForSequenceClassification"]}
    card = describe(folder(tmp_path, **named, num_labels=3), title="T")
    assert card.engine.profile == "classify-text-fp32/1"
    assert card.output.labels == ["LABEL_0", "LABEL_1", "LABEL_2"]
    assert describe(tmp_path, title="T", labels=["a", "b", "c"]).output.labels == ["a", "b", "c"]
    with pytest.raises(InvalidInputError, match="2 labels, expected 3"):
        describe(tmp_path, title="T", labels=["a", "b"])


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"hidden_size": 2**62}, "hidden_size is 4611686018427387904"),
        ({"hidden_size": True}, "hidden_size is True"),
        ({"architectures": ["XForImageClassification"], "image_size": [8]}, "image_size"),
        (
            {"architectures": ["XForSequenceClassification"], "id2label": {"1": "a"}},
            "id2label, expected text for each of 0 to 0",
        ),
        ({"architectures": ["XForSequenceClassification"], "id2label": []}, "id2label, expected"),
        ({"architectures": ["XForSequenceClassification"], "num_labels": 10**9}, "num_labels"),
        ({"model_type": 7}, "no model_type"),
    ],
)
def test_configs_that_make_no_sense(tmp_path, config, reason):
    with pytest.raises(InvalidInputError, match=reason):
        describe(folder(tmp_path, **config), title="X")


@pytest.mark.parametrize(
    ("tensors", "expected"),
    [
        ({"w": np.zeros(1000, np.float32)}, "f32"),
        ({"w": np.zeros(1000, np.float16), "n": np.zeros(10, np.float32)}, "f16"),
        ({"w": np.zeros(1000, np.float16), "n": np.zeros(50, np.float32)}, "f16+f32"),
        ({"w": np.zeros(100, np.int8), "s": np.zeros(300, np.float32)}, "f32+int8"),
    ],
)
def test_quantisation_is_told_from_the_dtypes(tmp_path, tensors, expected):
    save_file(tensors, tmp_path / "model.safetensors")
    assert scan_model(tmp_path).quantization == expected
