"""The profiles classify-text-fp32/1 and classify-image-fp32/1 against direct transformers runs."""

import json

import numpy as np
import pytest

from joynet_sdk.compute.engine import open_engine
from joynet_sdk.errors import InvalidInputError
from joynet_sdk.inference.codec import decode_output, encode_input
from joynet_sdk.models.describing import describe

from .sentences import draft

WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "good",
    "bad",
    "film",
    "the",
    "was",
    "a",
    "very",
]


@pytest.fixture(scope="module")
def text_model(tmp_path_factory):
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    folder = tmp_path_factory.mktemp("models") / "opinions"
    torch.manual_seed(5)
    config = BertConfig(
        vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=12, id2label={0: "bad", 1: "good", 2: "?"},
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    BertTokenizerFast(vocab_file=str(folder / "vocab.txt")).save_pretrained(folder)
    return folder


@pytest.fixture
def image_model(tmp_path):
    import torch
    from transformers import ViTConfig, ViTForImageClassification

    torch.manual_seed(6)
    config = ViTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        image_size=8, patch_size=4, num_channels=1, num_labels=10,
    )  # fmt: skip
    ViTForImageClassification(config).save_pretrained(tmp_path / "vit")
    return tmp_path / "vit"


def softmax(logits):
    weights = np.exp(logits.astype(np.float64) - logits.max())
    return weights / weights.sum()


def test_a_text_gets_probabilities_of_its_labels(text_model):
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    card = describe(text_model, title="opinions", license_id="MIT")
    assert (card.engine.profile, card.verification) == ("classify-text-fp32/1", "tolerant")
    assert (card.input.kind, card.output.labels) == ("text", ["bad", "good", "?"])
    text = "the film was very good"
    answer = open_engine(draft(text_model), text_model).run(text.encode())
    tokens = AutoTokenizer.from_pretrained(text_model)(text, return_tensors="pt")
    with torch.inference_mode():
        model = AutoModelForSequenceClassification.from_pretrained(text_model)
        want = softmax(model(**tokens).logits[0].numpy())
    np.testing.assert_allclose(np.frombuffer(answer, "<f4"), want, atol=1e-6)
    decoded = decode_output(card.output, answer)
    best = card.output.labels[int(want.argmax())]
    assert decoded.value["label"] == best
    assert decoded.summary == f"{best}, {want.max():.2f}"


def test_a_long_text_is_cut_at_the_models_positions(text_model):
    engine = open_engine(draft(text_model), text_model)
    eleven = " ".join(["good"] * 11)
    assert engine.run(eleven.encode()) == engine.run((eleven + " bad").encode())


def test_a_classifier_without_its_head_is_refused_not_random(text_model, tmp_path):
    from safetensors.numpy import load_file, save_file

    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((text_model / name).read_bytes())
    tensors = load_file(text_model / "model.safetensors")
    del tensors["classifier.weight"]
    save_file(tensors, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(InvalidInputError, match=r"no weights for classifier\.weight") as caught:
        open_engine(draft(tmp_path), tmp_path)
    assert "saved after its training" in caught.value.hint


def test_pixels_as_floats_are_what_the_model_reads(image_model):
    import torch
    from transformers import AutoModelForImageClassification

    card = describe(image_model, title="vit", license_id="MIT")
    assert (card.engine.profile, card.input.dtype) == ("classify-image-fp32/1", "float32")
    assert (card.input.shape, card.output.shape) == ([1, 8, 8], [10])
    pixels = np.random.default_rng(1).normal(size=(1, 8, 8)).astype("<f4")
    request = encode_input(card.input, json.dumps(pixels.tolist()).encode())
    assert request == pixels.tobytes()
    engine = open_engine(draft(image_model), image_model)
    with torch.inference_mode():
        model = AutoModelForImageClassification.from_pretrained(image_model)
        want = softmax(model(pixel_values=torch.tensor(pixels)[None]).logits[0].numpy())
    np.testing.assert_allclose(np.frombuffer(engine.run(request), "<f4"), want, atol=1e-6)
    with pytest.raises(InvalidInputError, match="255 bytes, expected 256"):
        engine.run(request[:-1])
    with pytest.raises(InvalidInputError, match="NaN or infinite"):
        engine.run(np.full((1, 8, 8), np.nan, "<f4").tobytes())


def test_pixels_as_bytes_are_scaled_as_the_preprocessor_says(image_model):
    floats = open_engine(draft(image_model), image_model)
    settings = {
        "do_rescale": True, "rescale_factor": 0.0625, "do_normalize": True,
        "image_mean": [0.5], "image_std": [0.25], "size": {"height": 8, "width": 8},
    }  # fmt: skip
    (image_model / "preprocessor_config.json").write_text(json.dumps(settings))
    card = describe(image_model, title="vit", license_id="MIT")
    assert card.input.dtype == "uint8"
    raw = np.random.default_rng(2).integers(0, 17, (1, 8, 8)).astype(np.uint8)
    values = ((raw / 16 - 0.5) / 0.25).astype("<f4")
    bytes_engine = open_engine(draft(image_model), image_model)
    assert bytes_engine.run(raw.tobytes()) == floats.run(values.tobytes())


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"problem_type": "multi_label_classification"}, "one label of at least two"),
        ({"id2label": {"0": "only"}}, "1 outputs, expected one label"),
        ({"id2label": {str(n): str(n) for n in range(1025)}}, "1 to 1024 names"),
        ({"id2label": {"0": "a", "2": "b"}}, "expected text for each of 0 to 1"),
    ],
)
def test_what_is_no_classifier_of_labels_is_refused(text_model, tmp_path, changes, problem):
    config = json.loads((text_model / "config.json").read_bytes()) | changes
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(InvalidInputError, match=problem):
        describe(tmp_path, title="x", license_id="MIT")
