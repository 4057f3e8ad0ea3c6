"""Each kind of composition against a plain evaluation of the same numbers."""

import math

import numpy as np
import pytest

from joynet_sdk.compositions.building import compose
from joynet_sdk.compositions.document import (
    Cascade,
    Condition,
    Ensemble,
    Pipeline,
    Route,
    Router,
)
from joynet_sdk.compute.once import run_once
from joynet_sdk.errors import InvalidInputError
from joynet_sdk.fusion.composing import Composing, write_composition
from joynet_sdk.fusion.recipes import read_recipe

from .parts import ABC

EYE = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
TURN = [[0, 1, 0], [0, 0, 1], [1, 0, 0]]
X = [10, 20, -30]


def softmax(logits, scale):
    weights = [math.exp(q * scale) for q in logits]
    return [weight / sum(weights) for weight in weights]


def test_a_pipeline_rescales_between_integer_models_exactly(parts):
    """Steps of 0.25 to steps of 0.5: halves go to the even one."""
    first = parts.linear("first", EYE, scale="0.25")
    second = parts.linear("second", TURN, step="0.5")
    got = parts.run(Pipeline(order=("first", "second")), [first, second], [5, 6, -7])
    assert got.tolist() == [3, -4, 2]  # 2.5 -> 2, 3, -3.5 -> -4; then turned round


def test_a_pipeline_of_one_is_the_model_itself(parts):
    only = parts.linear("only", TURN)
    assert parts.run(Pipeline(order=("only",)), [only], X).tolist() == [20, -30, 10]


def test_mean_of_probabilities(parts):
    a, b = parts.linear("a", EYE, scale="0.1"), parts.linear("b", TURN, scale="0.2")
    got = parts.run(Ensemble(weights={"a": 3, "b": 1}), [a, b], X)
    pa, pb = softmax([10, 20, -30], 0.1), softmax([20, -30, 10], 0.2)
    want = [(3 * p + q) / 4 for p, q in zip(pa, pb, strict=True)]
    assert got.tolist() == pytest.approx(want, abs=1e-6)
    assert got.sum() == pytest.approx(1, abs=1e-6)


def test_mean_of_integer_logits_minds_the_scales_and_stays_exact(parts):
    a, b = parts.linear("a", EYE, scale="0.1"), parts.linear("b", TURN, scale="0.3")
    got = parts.run(Ensemble(mean="logits", weights={"a": 2, "b": 1}), [a, b], X)
    real = [(2 * 0.1 * p + 0.3 * q) / 3 for p, q in zip(X, [20, -30, 10], strict=True)]
    assert got.dtype == np.int8
    assert got.tolist() == [round(value / 0.3) for value in real] == [9, -6, -3]


def test_mean_of_logits_of_probabilities_is_their_geometric_mean(parts):
    a, b = parts.linear("a", EYE, scale="0.1"), parts.linear("b", TURN, scale="0.1")
    inner = compose(Ensemble(weights={"a": 1, "b": 1}), [a, b])
    nested = parts.publish("nested", inner)  # its answers are probabilities
    got = parts.run(Ensemble(mean="logits", weights={"nested": 1, "a": 1}), [nested, a], X)
    pa, pb = softmax(X, 0.1), softmax([20, -30, 10], 0.1)
    mean = [(p + q) / 2 for p, q in zip(pa, pb, strict=True)]
    want = np.sqrt(np.multiply(mean, pa))
    assert got.tolist() == pytest.approx((want / want.sum()).tolist(), abs=1e-6)


def test_majority_counts_weighted_votes_for_the_first_best_label(parts):
    a, b, c = (parts.linear(n, w) for n, w in (("a", EYE), ("b", TURN), ("c", EYE)))
    rule = Ensemble(mean="majority", weights={"a": 1, "b": 3, "c": 1})
    assert parts.run(rule, [a, b, c], X).tolist() == [3, 2, 0]
    assert parts.run(rule, [a, b, c], [7, 7, 7]).tolist() == [5, 0, 0]


def test_a_mean_of_steps_beyond_int8_is_clipped(parts):
    a, b = parts.linear("a", EYE, scale="0.1"), parts.linear("b", EYE, scale="0.1")
    got = parts.run(Ensemble(mean="logits", weights={"a": 1, "b": 1}), [a, b], [127, -128, 0])
    assert got.tolist() == [127, -128, 0]


def test_labels_are_matched_by_name_not_by_place(parts):
    a = parts.linear("a", EYE, scale="0.1")
    b = parts.linear("b", EYE, scale="0.1", labels=("c", "a", "b"))
    got = parts.run(Ensemble(mean="logits", weights={"a": 1, "b": 1}), [a, b], X)
    assert got.tolist() == [round((p + q) / 2) for p, q in zip(X, [20, -30, 10], strict=True)]


def test_relabelled_probabilities_add_up(parts):
    a = parts.linear("a", EYE, scale="0.1")
    b = parts.linear("b", [[1, 0, 0], [0, 0, 1]], scale="0.1", labels=("low", "high"))
    options = {
        "labels": ("low", "high"),
        "relabel": {"a": {"a": "low", "b": "low", "c": "high"}},
    }
    got = parts.run(Ensemble(weights={"a": 1, "b": 1}), [a, b], X, **options)
    fine, coarse = softmax(X, 0.1), softmax([10, -30], 0.1)
    want = [(fine[0] + fine[1] + coarse[0]) / 2, (fine[2] + coarse[1]) / 2]
    assert got.tolist() == pytest.approx(want, abs=1e-6)
    with pytest.raises(InvalidInputError, match="logits meet at 'low'"):
        parts.run(Ensemble(mean="logits", weights={"a": 1, "b": 1}), [a, b], X, **options)


def test_a_route_by_a_classifier(parts):
    judge = parts.linear("judge", [[1, 0, 0], [0, 1, 0]], labels=("left", "right"))
    a, b = parts.linear("a", EYE), parts.linear("b", TURN)
    rule = Router(
        classifier="judge",
        decides=judge.gives,
        routes=(Route(label="left", use="a"),),
        otherwise="b",
    )
    assert parts.run(rule, [judge, a, b], [9, 1, 2]).tolist() == [9, 1, 2]
    assert parts.run(rule, [judge, a, b], [1, 9, 2]).tolist() == [9, 2, 1]


def test_a_route_by_stated_rules_takes_the_first_that_holds(parts):
    a, b = parts.linear("a", EYE), parts.linear("b", TURN)
    rules = (
        Condition(index=0, at_least=5, use="b"),
        Condition(index=1, at_least=-128, use="a"),
    )
    rule = Router(rules=rules, otherwise="b")
    assert parts.run(rule, [a, b], [5, 1, 2]).tolist() == [1, 2, 5]
    assert parts.run(rule, [a, b], [4, 1, 2]).tolist() == [4, 1, 2]


@pytest.mark.parametrize(
    ("x", "sure"), [([40, 0, 0], True), ([30, 0, 0], True), ([29, 0, 0], False)]
)
def test_a_cascade_by_margin_decides_in_exact_arithmetic(parts, x, sure):
    """(q1 - q2) * 0.1 >= 3: in floats 30 * 0.1 is below the threshold or not by luck."""
    a, b = parts.linear("a", EYE, scale="0.1"), parts.linear("b", TURN, scale="0.1")
    rule = Cascade(order=("a", "b"), confidence="margin", thresholds=("3.0",))
    want = x if sure else [x[1], x[2], x[0]]
    assert parts.run(rule, [a, b], x).tolist() == want


@pytest.mark.parametrize(("threshold", "sure"), [("0.73", True), ("0.74", False)])
def test_a_cascade_by_probability(parts, threshold, sure):
    a = parts.linear("a", [[1, 0], [0, 1]], scale="0.1", labels=("x", "y"))
    b = parts.linear("b", [[0, 1], [1, 0]], scale="0.1", labels=("x", "y"))
    rule = Cascade(order=("a", "b"), thresholds=(threshold,))
    got = parts.run(rule, [a, b], [10, 0])
    p = 1 / (1 + math.exp(-1.0))  # 0.731
    assert got.tolist() == pytest.approx([p, 1 - p] if sure else [1 - p, p], abs=1e-6)


def test_nested_compositions_answer_like_their_parts(parts):
    a, b = parts.linear("a", EYE), parts.linear("b", TURN)
    inner = parts.publish(
        "inner", compose(Ensemble(mean="logits", weights={"a": 1, "b": 1}), [a, b])
    )
    outer = parts.run(Pipeline(order=("inner",)), [inner], X)
    assert (
        outer.tolist()
        == parts.run(Ensemble(mean="logits", weights={"a": 1, "b": 1}), [a, b], X).tolist()
    )


def test_labels_of_the_answer(parts):
    a, b = parts.linear("a", EYE), parts.linear("b", TURN, labels=("c", "b", "a"))
    made = compose(Ensemble(weights={"a": 1, "b": 1}), [a, b], labels=("b", "a", "c"))
    assert made.output.labels == ("b", "a", "c")
    assert compose(Ensemble(weights={"a": 1, "b": 1}), [a, b]).output.labels == ABC


def test_a_folder_is_tried_out_in_a_worker_as_a_node_would(parts):
    parts.linear("a", EYE)
    parts.linear("b", TURN)
    recipe = read_recipe(
        {"kind": "ensemble", "components": {"a": "0x" + "0a" * 32, "b": "0x" + "0b" * 32},
         "mean": "logits", "weights": {"b": 3}}
    )  # fmt: skip
    names = {b"\x0a" * 32: "a", b"\x0b" * 32: "b"}
    by_id = {bytes(part.manifest.model_id): part for part in parts.made.values()}
    composing = Composing(
        lambda ref: parts.made[names[bytes.fromhex(ref[2:])]].manifest.model_id,
        lambda model_id: by_id[bytes(model_id)],
        run_once,
    )
    made = composing.compose(recipe)
    assert [each.name for each in made.candidates] == ["a", "b"]
    folder = parts.folder / "both"
    write_composition(made.composition, folder)
    assert composing.check(folder) == made.composition
    assert [part.manifest.title for part in composing.parts(folder)] == ["a", "b"]
    decoded = composing.try_out(folder, b"[10, 20, -30]")
    logits = [round((p + 3 * q) / 4) for p, q in zip(X, [20, -30, 10], strict=True)]
    assert list(decoded.value["probabilities"].values()) == pytest.approx(
        softmax(logits, 0.25), abs=1e-5
    )
    with pytest.raises(InvalidInputError, match="2 integers|shape"):
        composing.try_out(folder, b"[10, 20]")
    with pytest.raises(InvalidInputError, match=f"the folder {folder}, expected a published"):
        composing.compose(recipe.model_copy(update={"components": {"a": str(folder)}}))
    (folder / "model.safetensors").write_bytes(b"")
    with pytest.raises(InvalidInputError, match=r"holds 'model\.safetensors', expected an empty"):
        write_composition(made.composition, folder)


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({"kind": "pipeline", "components": {"a": "a.joy"}, "mean": "logits"}, "takes no mean"),
        ({"kind": "ensemble", "components": {"a": "a.joy"}, "routes": {}}, "takes no routes"),
        ({"kind": "cascade", "components": {"a": "a.joy", "b": "b.joy"}}, "threshold"),
        ({"kind": "router", "components": {"a": "a.joy"}}, "a router has a classifier and routes"),
        ({"kind": "ensemble", "components": {"a": "x.joy"}, "weights": {"c": 1}}, "named 'c'"),
        ({"kind": "chain", "components": {"a": "a.joy"}}, "kind"),
        ({"kind": "pipeline", "components": {}}, "at least 1"),
        ({"kind": "pipeline", "components": {"A": "a.joy"}}, "match pattern"),
        ({"kind": "pipeline", "components": {"a": "a.joy"}, "more": 1}, "more"),
    ],
)
def test_recipes_that_make_no_sense(document, problem):
    with pytest.raises(InvalidInputError, match=problem):
        read_recipe(document).rule(None)
