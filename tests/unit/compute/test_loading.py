"""Configs that make no sense are refused with a message, whatever transformers raises for them."""

import json

import pytest

from joynet_sdk.compute.loading import load_model, load_tokenizer
from joynet_sdk.errors import InvalidInputError

BERT = {"model_type": "bert", "architectures": ["BertModel"], "vocab_size": 8, "hidden_size": 8}
BERT |= {"num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"model_type": "llama", "hidden_size": 30, "num_attention_heads": 4},
            "StrictDataclassClass",
        ),
        ({"hidden_size": "eight"}, "StrictDataclassField"),
        ({"num_attention_heads": 0}, ""),
        ({"vocab_size": None}, ""),
        ({"model_type": "no-such-kind"}, "no-such-kind"),
    ],
)
def test_senseless_config_is_refused(tmp_path, changes, words):
    (tmp_path / "config.json").write_text(json.dumps(BERT | changes))
    (tmp_path / "model.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    with pytest.raises(InvalidInputError, match="transformers cannot load the model") as caught:
        load_model("AutoModel", tmp_path)
    assert words in str(caught.value)


def test_weights_that_are_no_safetensors_are_refused(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(BERT))
    (tmp_path / "model.safetensors").write_bytes(b"\xff" * 64)
    with pytest.raises(InvalidInputError, match="cannot load the model: SafetensorError"):
        load_model("AutoModel", tmp_path)


def test_tokenizer_of_another_shape_is_refused(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(BERT))
    (tmp_path / "tokenizer.json").write_text("[]")
    (tmp_path / "tokenizer_config.json").write_text("[]")
    with pytest.raises(InvalidInputError, match="cannot load the tokenizer"):
        load_tokenizer(tmp_path)
