"""The smoke gate: good merges pass, garbage does not, and the record is bound to the files."""

import json
import math

import numpy as np
import pytest

from joynet_sdk.errors import InvalidInputError, NotFoundError, VerificationError
from joynet_sdk.evaluation import smoke, smoke_checks
from joynet_sdk.evaluation.gate import Gate
from joynet_sdk.evaluation.metrics import Metric
from joynet_sdk.evaluation.smoke_checks import Behaviour

from .conftest import copy_with, shuffled

DIGITS = "sklearn:digits"


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """Parents are asked once for all tests."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def gate(machine, cache):
    return Gate(machine, cache)


def failed(record):
    return {check.name for check in record.checks if not check.is_passed}


@pytest.mark.parametrize("task", [DIGITS, None])
def test_a_merge_of_siblings_passes(gate, vision, task):
    record = gate.check(vision / "good", [vision / "a", vision / "a2"], task)
    assert record.is_passed, record.reasons
    assert record.task == task
    names = [check.name for check in record.checks]
    assert names == ["weights", "runs", "numbers", "variety", "likeness"] + ["accuracy"] * bool(
        task
    )


@pytest.mark.parametrize(
    ("task", "reasons"), [(DIGITS, {"likeness", "accuracy"}), (None, {"likeness"})]
)
def test_a_merge_of_unrelated_beginnings_is_refused(gate, vision, task, reasons):
    record = gate.check(vision / "bad", [vision / "a", vision / "b"], task)
    assert reasons <= failed(record)
    with pytest.raises(VerificationError, match="the smoke gate refuses the model: .*likeness"):
        record.require()


def test_a_shuffled_model_is_refused(gate, vision, tmp_path):
    child = copy_with(vision / "a", tmp_path / "shuffled", shuffled)
    assert "accuracy" in failed(gate.check(child, [vision / "a"], DIGITS))


def test_a_model_with_nan_is_refused_before_it_runs(gate, vision, tmp_path):
    def broken(tensors):
        tensors["classifier.bias"][3] = math.nan
        return tensors

    record = gate.check(copy_with(vision / "a", tmp_path / "nan", broken), [vision / "a"], DIGITS)
    assert [check.name for check in record.checks] == ["weights"]
    assert record.reasons == ["weights: classifier.bias: 1 of 10 values are NaN or infinite"]


def test_a_model_that_overflows_is_refused(gate, vision, tmp_path):
    """Its weights are finite, its answers are not."""

    def huge(tensors):
        tensors["vit.layernorm.weight"].fill_(3e38)
        tensors["vit.layernorm.bias"].fill_(3e38)
        return tensors

    record = gate.check(copy_with(vision / "a", tmp_path / "huge", huge), [], None)
    assert failed(record) & {"runs", "numbers"}


def test_a_model_that_always_says_the_same_is_refused(gate, vision, tmp_path):
    def stubborn(tensors):
        tensors["classifier.bias"][4] = 1e6
        return tensors

    child = copy_with(vision / "a", tmp_path / "stubborn", stubborn)
    assert {"variety", "accuracy"} <= failed(gate.check(child, [vision / "a"], DIGITS))
    assert failed(gate.check(child, [], None)) == {"variety"}


def test_a_zeroed_matrix_is_refused_unless_a_parent_has_it(gate, vision, tmp_path):
    name = "vit.embeddings.patch_embeddings.projection.weight"

    def zeroed(tensors):
        tensors[name].zero_()
        return tensors

    child = copy_with(vision / "a", tmp_path / "zeroed", zeroed)
    [check] = gate.check(child, [vision / "a"], None).checks
    assert (check.is_passed, name in check.reason) == (False, True)
    assert gate.check(child, [child], None).checks[0].is_passed


def test_a_folder_that_is_no_model_fails(gate, vision, tmp_path):
    child = copy_with(vision / "a", tmp_path / "child", lambda tensors: tensors)
    (child / "config.json").write_text('{"model_type": "vit", "architectures": ["ViTForMasks"]}')
    assert failed(gate.check(child, [vision / "a"], None)) == {"runs"}


def test_a_task_of_another_kind_says_nothing_about_the_model(gate, vision):
    for task, match in (
        ("python:topics", "is for language models"),
        ("sklearn:iris", "asks with 4 numbers, the model reads numbers of shape"),
    ):
        with pytest.raises(InvalidInputError, match=match):
            gate.check(vision / "a", [], task)


# --- language models and embedders


def test_language_models_are_held_to_their_parents_perplexity(gate, language, tmp_path):
    record = gate.check(language / "a2", [language / "a"], None)
    assert record.is_passed, record.reasons
    assert [check.name for check in record.checks][-2:] == ["repetition", "perplexity"]
    record = gate.check(language / "shuffled", [language / "a"], None)
    assert failed(record) >= {"perplexity"}
    task = tmp_path / "texts.jsonl"
    task.write_text('{"text": "a plain little text in english"}\n' * 3)
    assert gate.check(language / "a2", [language / "a"], str(task)).is_passed


def test_an_embedder_whose_vectors_collapsed_is_refused(gate, encoder, tmp_path):
    assert gate.check(encoder, [encoder], None).is_passed

    def collapsed(tensors):
        for name, tensor in tensors.items():
            if name.endswith("LayerNorm.weight"):
                tensor.mul_(1e-4)
            elif name.endswith("LayerNorm.bias"):
                tensor.fill_(1.0)
        return tensors

    child = copy_with(encoder, tmp_path / "collapsed", collapsed)
    assert "variety" in failed(gate.check(child, [encoder], None))


# --- single checks


def written(*texts, answers=((0.0, 1.0),)):
    return Behaviour(np.array(answers), "tokens", [list(map(ord, text)) for text in texts])


def test_repetition_counts_grams_seen_before():
    assert smoke_checks.repetition([list(map(ord, "abcabc"))]) == 1 / 4
    assert smoke_checks.repetition([[1] * 10]) == 7 / 8
    assert smoke_checks.repetition([[1, 2]]) == 0


def test_a_child_that_repeats_itself_is_refused_unless_its_parents_do():
    loop, fluent = written("ab" * 40), written("the quick brown fox jumps over a lazy dog")
    assert not smoke_checks.check_repetition(loop, [fluent]).is_passed
    assert not smoke_checks.check_repetition(loop, []).is_passed
    assert smoke_checks.check_repetition(loop, [loop]).is_passed
    assert smoke_checks.check_repetition(fluent, [loop]).is_passed


def classifying(answers):
    return Behaviour(np.array(answers, float), "classes")


def test_logits_and_probabilities_are_compared_alike():
    logits = np.random.default_rng(0).normal(size=(40, 5)) * 3
    weights = np.exp(logits)
    odds = weights / weights.sum(axis=1, keepdims=True)
    check = smoke_checks.check_likeness(classifying(odds), [classifying(logits)])
    assert "1.000" in check.reason


def test_the_parts_of_a_pipeline_are_no_measure_of_it():
    """Its embedder gives vectors; and all probes may well be of one class."""
    rng = np.random.default_rng(0)
    embedder = Behaviour(rng.normal(size=(40, 8)), "vector")
    head = classifying(np.column_stack([rng.uniform(0.6, 0.9, 40), rng.uniform(0.1, 0.4, 40)]))
    assert smoke_checks.check_likeness(head, [embedder]) is None
    assert smoke_checks.check_variety(head, [embedder]).is_passed
    assert not smoke_checks.check_variety(classifying([[0.9, 0.1]] * 40), [embedder]).is_passed


def with_metric(name, value, stderr=0.01):
    metric = Metric(name, value, stderr, value, value, 100, "mean")
    return Behaviour(np.zeros((2, 2)), "classes", metric=metric)


@pytest.mark.parametrize(
    ("name", "child", "parents", "chance", "is_passed"),
    [
        ("accuracy", 0.85, (0.95, 0.85), 0.1, True),  # the bound is 0.80, and two errors
        ("accuracy", 0.79, (0.95, 0.85), 0.1, True),
        ("accuracy", 0.77, (0.95, 0.85), 0.1, False),
        ("accuracy", 0.12, (0.3, 0.1), 0.1, False),  # within the bound, but no better than chance
        ("accuracy", 0.10, (0.1, 0.1), 0.1, True),  # and so are the parents
        ("accuracy", 0.10, (), 0.1, False),
        ("perplexity", 29.0, (10.0, 40.0), None, True),
        ("perplexity", 31.0, (10.0, 40.0), None, False),
        ("spearman", 0.2, (0.6, 0.5), None, False),
    ],
)
def test_the_loss_against_the_parents_is_bounded(name, child, parents, chance, is_passed):
    others = [with_metric(name, value) for value in parents]
    check = smoke_checks.check_metric(with_metric(name, child), others, chance)
    assert check.is_passed is is_passed


# --- the record


@pytest.fixture
def checked(gate, vision, tmp_path):
    """A model's own copy, its parents, and its passed record beside it."""
    child = copy_with(vision / "good", tmp_path / "child", lambda tensors: tensors)
    parents = [vision / "a", vision / "a2"]
    smoke.write_record(child, gate.check(child, parents, None))
    return child, parents


def test_a_passed_model_may_be_published(checked):
    child, parents = checked
    record = smoke.require_record(child, parents[::-1])
    assert smoke.decode_record(record.encode()) == record
    assert smoke.smoke_path(child) == child.parent / "child.smoke.json"


def test_a_model_that_changed_or_has_other_parents_may_not(checked):
    child, parents = checked
    with pytest.raises(VerificationError, match="checked against other parents"):
        smoke.require_record(child, parents[:1])
    (child / "README.md").write_text("changed")
    with pytest.raises(VerificationError, match="has changed since it was checked"):
        smoke.require_record(child, parents)


def test_an_unchecked_or_refused_model_may_not(gate, vision, checked):
    child, parents = checked
    refused = gate.check(vision / "bad", [vision / "a", vision / "b"], None)
    same = refused.model_copy(update={"model": smoke.folder_digest(child)})
    others = [vision / "a", vision / "b"]
    smoke.smoke_path(child).write_bytes(same.encode())
    with pytest.raises(VerificationError, match="the smoke gate refuses the model"):
        smoke.require_record(child, others)
    smoke.smoke_path(child).unlink()
    with pytest.raises(NotFoundError, match="smoke record"):
        smoke.require_record(child, parents)


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"format":"joynet-smoke/2"}', b" {}"])
def test_what_is_no_record_is_refused(data):
    with pytest.raises(VerificationError):
        smoke.decode_record(data)


def test_a_parent_of_other_classes_is_compared_by_its_answers_alone(gate, vision, tmp_path):
    """The experts of a router need not know every class."""

    def of_five(tensors):
        return {k: t[:5] if k.startswith("classifier") else t for k, t in tensors.items()}

    expert = copy_with(vision / "a", tmp_path / "expert", of_five)
    config = json.loads((expert / "config.json").read_text())
    config["id2label"] = {str(index): f"LABEL_{index}" for index in range(5)}
    config["label2id"] = {f"LABEL_{index}": index for index in range(5)}
    (expert / "config.json").write_text(json.dumps(config))
    record = gate.check(vision / "a", [expert], DIGITS)
    reasons = {check.name: check.reason for check in record.checks}
    assert "parents" not in reasons["accuracy"]
    assert "likeness" in reasons
    with pytest.raises(InvalidInputError, match=r"gives 5 numbers, sklearn:digits expects 10"):
        gate.check(expert, [], DIGITS)
