"""Running models: engines and torch give the same, numbers mean what they say, answers are kept."""

import math

import numpy as np
import pytest
import torch

from joynet_sdk.compute.evaluating import encode_query
from joynet_sdk.errors import ConfigError, InvalidInputError
from joynet_sdk.evaluation import running, tasks
from joynet_sdk.evaluation.cache import AnswerCache
from joynet_sdk.evaluation.items import Dataset, Item
from joynet_sdk.evaluation.measuring import Options, class_order, measure, open_folder
from joynet_sdk.formats import InputSpec
from joynet_sdk.qmodel import Input, QModel, save
from joynet_sdk.qmodel.ops import Gemm

from .conftest import LETTERS, bigrams, digits, letter_tokenizer


def opened(machine, folder, **options):
    return machine.open(
        folder, **{"dtype": "profile", "batch_size": 1, "integer_step": 0} | options
    )


def test_an_image_classifier_as_engine_and_as_batch(machine, vision):
    queries = [item.queries[0] for item in tasks.load("sklearn:digits", limit=20).items]
    engine, batch = (
        opened(machine, vision / "a"),
        opened(machine, vision / "a", dtype="float32", batch_size=8),
    )
    assert (engine.profile, engine.dtype, engine.shape) == (
        "classify-image-fp32/1", "float32", (1, 8, 8),
    )  # fmt: skip
    assert batch.profile == "torch/AutoModelForImageClassification/float32/batch-8"
    probabilities, logits = np.array(list(engine.answer(queries))), np.array(batch.answer(queries))
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    assert np.allclose(probabilities, weights / weights.sum(axis=1, keepdims=True), atol=1e-5)


def test_accuracy_is_what_torch_says(machine, vision, tmp_path):
    dataset = tasks.load("sklearn:digits")
    with AnswerCache(tmp_path) as cache:
        found = measure(open_folder(machine, vision / "a", Options(), 0), dataset, cache)
    from transformers import ViTForImageClassification

    images, labels = digits("test")
    with torch.no_grad():
        model = ViTForImageClassification.from_pretrained(vision / "a").eval()
        predicted = model(pixel_values=images).logits.argmax(dim=1)
    assert np.array_equal(found.outcomes.predicted, predicted.numpy())
    assert np.array_equal(found.outcomes.expected, labels.numpy())


def test_perplexity_of_a_bigram_model_is_the_bigrams(machine, language):
    """Long texts too: sliding windows score each token once."""
    texts = [str(item.queries[0]) for item in tasks.load("python:topics", limit=30).items]
    log_p = bigrams(texts)
    for text in (texts[0][:40], texts[1][:64], texts[2][:65], texts[3][:300]):
        ids = letter_tokenizer()(text, verbose=False)["input_ids"]
        expected = -log_p[ids[:-1], ids[1:]].sum()
        [(nll, tokens)] = opened(machine, language / "a").answer([text])
        assert tokens == len(ids) - 1
        assert nll == pytest.approx(expected, rel=2e-3)


def test_a_text_of_one_token_scores_none(machine, language):
    [answer] = opened(machine, language / "a").answer(["a"])
    assert answer.tolist() == [0, 0]


def test_greedy_text_is_the_likeliest(machine, language):
    texts = [str(item.queries[0]) for item in tasks.load("python:topics", limit=30).items]
    log_p, last, expected = bigrams(texts), LETTERS.index("t"), []
    for _ in range(6):
        last = int(log_p[last].argmax())
        expected.append(last)
    assert opened(machine, language / "a").continue_text("cat", 6) == expected


def test_an_encoder_as_engine_and_as_batch(machine, encoder):
    texts = ["hello world", "a somewhat longer text than that", "x"]
    engine, batch = (
        opened(machine, encoder),
        opened(machine, encoder, dtype="float32", batch_size=3),
    )
    assert (engine.output, engine.profile) == ("vector", "embed-mean-fp32/1")
    for one, other in zip(engine.answer(texts), batch.answer(texts), strict=True):
        assert np.allclose(one, other, atol=1e-5)
        assert np.linalg.norm(one) == pytest.approx(1, abs=1e-5)
    half = opened(machine, encoder, dtype="bfloat16").answer(["hello world"])[0]
    assert float(half @ np.array(batch.answer(texts)[0])) > 0.99


def test_an_integer_model_reads_steps_of_its_own_scale(machine, tmp_path):
    weight = np.array([[127, 0], [0, 127]], np.int8)
    op = Gemm("y", "x", weight, np.zeros(2, np.int32), np.full(2, 2**16, np.uint32), "clamp")
    save(QModel(Input("x", (2,), scale="0.5"), (op,), "0.25"), tmp_path / "model.safetensors")
    model = opened(machine, tmp_path)
    small, large = model.answer([np.array([1.0, -1.0]), np.array([10.0, -10.0])])
    assert small[0] > 0 > small[1]
    assert large[0] > small[0]
    with pytest.raises(InvalidInputError, match="dtype float32 is for transformers models"):
        opened(machine, tmp_path, dtype="float32")
    with pytest.raises(InvalidInputError, match="generates no text"):
        model.continue_text("a", 1)


@pytest.mark.parametrize(
    ("spec", "query", "step", "match"),
    [
        (("tensor", "int8", [2]), "text", 1, "asks with text, the model reads tensor"),
        (("text", "utf8", []), np.zeros(2), 1, "asks with numbers, the model reads text"),
        (("tensor", "int8", [3]), np.zeros(2), 1, "has 2 numbers, the model reads"),
        (("tensor", "uint8", [2]), np.zeros(2), 0, "does not say what one step means"),
    ],
)
def test_a_query_that_does_not_fit_is_refused(spec, query, step, match):
    kind, dtype, shape = spec
    with pytest.raises(InvalidInputError, match=match):
        encode_query(InputSpec(kind=kind, dtype=dtype, shape=shape), query, step)


def test_numbers_are_rounded_and_clipped_to_the_type():
    spec = InputSpec(kind="tensor", dtype="int8", shape=[4])
    data = encode_query(spec, np.array([0.25, -0.26, 100, -100]), 0.25)
    assert np.frombuffer(data, np.int8).tolist() == [1, -1, 127, -128]
    floats = InputSpec(kind="tensor", dtype="float32", shape=[1])
    assert encode_query(floats, np.array([0.5]), 0) == np.array([0.5], "<f4").tobytes()


def test_weights_are_looked_at(machine, vision, tmp_path):
    from .conftest import copy_with

    assert machine.check_weights(vision / "a") == [] or all(
        fault.kind == "zero" for fault in machine.check_weights(vision / "a")
    )

    def broken(tensors):
        tensors["classifier.weight"][0, 0] = math.nan
        tensors["classifier.bias"][1] = math.inf
        tensors["vit.embeddings.patch_embeddings.projection.weight"].zero_()
        return tensors

    faults = machine.check_weights(copy_with(vision / "a", tmp_path / "broken", broken))
    found = {fault.name: fault.reason for fault in faults}
    assert found["classifier.weight"] == "1 of 640 values are NaN or infinite"
    assert found["classifier.bias"] == "1 of 10 values are NaN or infinite"
    assert "are zero" in found["vit.embeddings.patch_embeddings.projection.weight"]


def test_a_pickle_is_refused_before_anything_is_read(machine, tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04K\x01.")
    with pytest.raises(InvalidInputError, match=r"pytorch_model\.bin"):
        opened(machine, tmp_path)


def test_names_of_classes_decide_their_order():
    dataset = Dataset("t", "classify", "all", "s", 0, None, (Item(("x",)),), ("neg", "pos"))
    assert class_order(("pos", "neg"), dataset).tolist() == [1, 0]
    assert class_order((), dataset) is None
    assert class_order(("LABEL_0", "LABEL_1"), dataset) is None


# --- the cache


class Counting:
    """A model that counts what it is asked, and breaks when told to."""

    profile, dtype, output, labels, shape = "counting/1", "float64", "classes", (), None

    def __init__(self, breaks_after=10**9):
        self.asked, self.breaks_after = [], breaks_after

    def answer(self, queries):
        for query in queries:
            if len(self.asked) >= self.breaks_after:
                raise KeyboardInterrupt
            self.asked.append(query)
            yield np.array([len(query), 0.0])


def words(n):
    items = tuple(Item(("w" * (index + 1),)) for index in range(n))
    return Dataset("t", "classify", "all", "s", 0, None, items, ("a", "b"))


def test_what_was_interrupted_goes_on_where_it_stopped(tmp_path):
    dataset, identity = words(100), bytes(32)
    with AnswerCache(tmp_path) as cache, pytest.raises(KeyboardInterrupt):
        running.ask_all(dataset, Counting(breaks_after=70), identity, cache, 8)
    seen = []
    with AnswerCache(tmp_path) as cache:
        second = Counting()
        answers = running.ask_all(dataset, second, identity, cache, 8, seen.append)
    assert (answers.asked, answers.from_cache, len(second.asked)) == (100, 70, 30)
    assert (seen[0], sum(seen)) == (70, 100)
    assert [int(item[0][0]) for item in answers.by_item] == list(range(1, 101))


def test_paid_answers_are_stored_at_once(tmp_path):
    with AnswerCache(tmp_path) as cache, pytest.raises(KeyboardInterrupt):
        running.ask_all(words(9), Counting(5), bytes(32), cache, 1, store_every=1)
    with AnswerCache(tmp_path) as cache:
        known, missing = running.open_questions(words(9), cache, bytes(32), "counting/1")
    assert (len(known), len(missing)) == (5, 4)


def test_another_model_profile_or_question_has_other_answers(tmp_path):
    with AnswerCache(tmp_path) as cache:
        running.ask_all(words(5), Counting(), bytes(32), cache, 5)
        for model, profile in ((b"\1" * 32, "counting/1"), (bytes(32), "counting/2")):
            assert running.open_questions(words(5), cache, model, profile)[0] == {}


def test_a_question_asked_twice_is_answered_once(tmp_path):
    twice = Dataset("t", "similarity", "all", "s", 0, None, (Item(("a", "a")), Item(("b", "a"))))
    model = Counting()
    with AnswerCache(tmp_path) as cache:
        answers = running.ask_all(twice, model, bytes(32), cache, 4)
    assert model.asked == ["a", "b"]
    assert [len(item) for item in answers.by_item] == [2, 2]


def test_the_cache_is_bounded_and_the_oldest_go(tmp_path):
    with AnswerCache(tmp_path, max_bytes=800) as cache:
        for index in range(200):
            cache.put([(index.to_bytes(32, "big"), np.zeros(2))])
        held = [cache.get(index.to_bytes(32, "big")) is not None for index in range(200)]
    assert 40 <= sum(held) <= 50
    assert held[-40:] == [True] * 40


def test_a_damaged_cache_is_named(tmp_path):
    (tmp_path / "evaluation.db").write_bytes(b"not a database" * 100)
    with pytest.raises(ConfigError, match=r"evaluation\.db: it is not a database"):
        AnswerCache(tmp_path)
