"""Data sets: fixed splits, seeded choices, JSONL line by line."""

import json
import sys

import numpy as np
import pytest

from joynet_sdk.errors import InvalidInputError, MissingDependencyError, NotFoundError
from joynet_sdk.evaluation import jsonl, sources, tasks
from joynet_sdk.evaluation.items import Item, choose


def test_splits_are_fixed_disjoint_and_stratified():
    parts = {split: tasks.load("sklearn:digits", split=split) for split in ("test", "train", "all")}
    assert [len(parts[s].items) for s in ("test", "train", "all")] == [539, 1258, 1797]
    seen = {split: {i.queries[0].tobytes() for i in part.items} for split, part in parts.items()}
    assert len(seen["test"] & seen["train"]) == 0
    assert seen["test"] | seen["train"] == seen["all"]
    counts = np.bincount([int(item.label) for item in parts["test"].items])
    assert counts.min() >= 0.29 * 174
    assert parts["test"].items[0].queries[0].shape == (8, 8)
    # The split every report of this task is about; another one makes reports incomparable.
    assert parts["test"].digest.hex()[:16] == "ce9f11726e4fe20e"
    assert tasks.load("sklearn:digits", seed=9).digest == parts["test"].digest


def test_measures_are_standardised_over_the_train_split():
    train = np.array([i.queries[0] for i in tasks.load("sklearn:wine", split="train").items])
    assert np.allclose(train.mean(axis=0), 0, atol=1e-9)
    assert np.allclose(train.std(axis=0), 1)


def test_a_limit_draws_by_seed():
    first = tasks.load("sklearn:digits", limit=50, seed=1)
    assert len(first.items) == 50
    assert first.digest == tasks.load("sklearn:digits", limit=50, seed=1).digest
    assert first.digest != tasks.load("sklearn:digits", limit=50, seed=2).digest


def test_the_choice_is_uniform():
    items = [Item((str(index),)) for index in range(20)]
    counts = np.zeros(20)
    for seed in range(400):
        for item in choose(items, 5, seed):
            counts[int(item.queries[0])] += 1
    # 400 draws of a quarter each: 100 +- 8.7
    assert counts.min() > 65
    assert counts.max() < 135


def test_texts_come_without_any_package():
    dataset = tasks.load("python:topics", limit=5)
    assert dataset.kind == "perplexity"
    assert all(len(item.queries[0]) >= 200 for item in dataset.items)


@pytest.mark.parametrize(
    ("task", "options", "match"),
    [
        ("sklearn:iris", {"limit": 0}, "limit is 0, expected 1 to 100,000"),
        ("sklearn:iris", {"seed": -1}, "seed is -1"),
        ("python:topics", {"split": "test"}, "python:topics has no split 'test'"),
        ("sklearn:iris", {"kind": "regress"}, "for classify, not for regress"),
    ],
)
def test_impossible_wishes_are_refused(task, options, match):
    with pytest.raises(InvalidInputError, match=match):
        tasks.load(task, **options)


def test_an_unknown_task_is_not_found(tmp_path):
    with pytest.raises(NotFoundError, match="no such task or JSONL file"):
        tasks.load(str(tmp_path / "none.jsonl"))


def test_a_missing_package_says_what_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(MissingDependencyError, match="scikit-learn is not installed") as caught:
        tasks.load("sklearn:iris")
    assert caught.value.hint == 'pip install "joynet-sdk[eval]"'
    with pytest.raises(MissingDependencyError, match="gensim is not installed") as caught:
        tasks.load("gensim:lee")
    assert caught.value.hint == "pip install gensim"


def test_gensims_files_are_read():
    lines = ["# a comment", "old\tnew\t1.58", "no rating", "smart\tclever\t9.2"]
    items = list(sources.word_pair_items(lines))
    assert [(item.queries, item.label) for item in items] == [
        (("old", "new"), 1.58),
        (("smart", "clever"), 9.2),
    ]
    reviews = list(sources.polarity_items(["__label__neg dull .", "__label__pos fine", "junk"]))
    assert [(item.queries, item.label) for item in reviews] == [(("dull .",), 0), (("fine",), 1)]


# --- JSONL


def write(tmp_path, *lines):
    path = tmp_path / "data.jsonl"
    path.write_text("\n".join(x if isinstance(x, str) else json.dumps(x) for x in lines))
    return path


def test_every_kind_is_recognised(tmp_path):
    cases = {
        "classify": {"input": "good", "label": "pos"},
        "regress": {"input": [1, 2.5], "label": 0.5},
        "similarity": {"input": ["a", "b"], "label": 0.5},
        "perplexity": {"text": "a text"},
    }
    for kind, line in cases.items():
        dataset = tasks.load(str(write(tmp_path, line, "", line)))
        assert (dataset.kind, len(dataset.items)) == (kind, 2)
    assert tasks.load(str(write(tmp_path, {"input": [1], "label": 3})), kind="regress").labels == ()


def test_class_names_and_numbers(tmp_path):
    named = tasks.load(
        str(write(tmp_path, *({"input": "x", "label": name} for name in ("b", "a", "b"))))
    )
    assert named.labels == ("b", "a")
    assert [item.label for item in named.items] == [0, 1, 0]
    numbered = tasks.load(
        str(write(tmp_path, {"input": "x", "label": 2}, {"input": "y", "label": 0}))
    )
    assert numbered.labels == ("0", "1", "2")


@pytest.mark.parametrize(
    ("line", "match"),
    [
        ("{", "line 2: not JSON"),
        ("[1]", "line 2: list, expected a JSON object"),
        ("[" * 50, "line 2: not JSON: JSON is nested deeper"),
        ({"input": "x"}, "line 2: keys are 'input', expected input, label"),
        ({"input": "x", "label": "a", "more": 1}, "line 2: keys are"),
        ({"input": "  ", "label": "a"}, "line 2: input is '  ', expected a text"),
        ({"input": {"a": 1}, "label": "a"}, "line 2: input is"),
        ({"input": [[1], [2, 3]], "label": "a"}, "line 2: input is"),
        ('{"input": [1e999], "label": "a"}', "line 2: input is"),
        ('{"input": "\\ud800", "label": "a"}', "line 2: input holds half of a surrogate"),
        ({"input": "x", "label": 3}, "line 2: label is a number, expected a name as before"),
        ({"input": "x", "label": True}, "line 2: label is True, expected a name"),
        ({"input": "x", "label": None}, "line 2: label is None, expected a name"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, match):
    path = write(tmp_path, {"input": "x", "label": "a"}, line)
    with pytest.raises(InvalidInputError, match=match):
        tasks.load(str(path))


@pytest.mark.parametrize("label", ["NaN", '"high"', "true", "null"])
def test_a_bad_number_is_named(tmp_path, label):
    path = write(tmp_path, {"input": "x", "label": 0.5}, f'{{"input": "y", "label": {label}}}')
    with pytest.raises(InvalidInputError, match="line 2: label is"):
        tasks.load(str(path))


def test_size_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(jsonl, "MAX_LINE_BYTES", 100)
    with pytest.raises(InvalidInputError, match="line 2: longer than 1 MiB"):
        tasks.load(str(write(tmp_path, {"text": "a"}, {"text": "b" * 200})))
    monkeypatch.setattr(jsonl, "MAX_ITEMS", 3)
    with pytest.raises(InvalidInputError, match=r"line 4: past 1 GiB or 3 items"):
        tasks.load(str(write(tmp_path, *[{"text": "a"}] * 5)))
    with pytest.raises(InvalidInputError, match="holds no item"):
        tasks.load(str(write(tmp_path, "", "")))


def test_a_class_number_beyond_reason_is_refused(tmp_path):
    with pytest.raises(InvalidInputError, match="line 1: label 10000000000: expected at most 1024"):
        tasks.load(str(write(tmp_path, {"input": "x", "label": 10**10})))
