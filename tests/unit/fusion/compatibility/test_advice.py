"""The verdict with weights at hand, the advice, and the compositions that are offered instead."""

from dataclasses import replace

import pytest

from joynet_sdk.errors import NotFoundError
from joynet_sdk.formats import InputSpec, OutputSpec
from joynet_sdk.fusion.compatibility import Machine, Plan, Similarity, check
from joynet_sdk.fusion.compatibility.composing import fitting

NEAR = Similarity(
    weight_cosine=0.98,
    least_cosine=0.97,
    farthest="layer.0.weight",
    distance=0.2,
    norm_ratio=0.99,
    task_cosine=0.1,
    least_task_cosine=0.0,
    sign_agreement=0.5,
    task_norm=0.1,
    parameters=4096,
    sampled=4096,
)
TEXT = InputSpec(kind="text", dtype="utf8", shape=[])
VECTOR = OutputSpec(kind="vector", dtype="float32", shape=[8])
CATS = OutputSpec(kind="vector", dtype="float32", shape=[2], labels=["cat", "dog"])
COWS = OutputSpec(kind="vector", dtype="float32", shape=[2], labels=["cow", "dog"])
NUMBERS = InputSpec(kind="tensor", dtype="float32", shape=[8])


class Speed:
    read, compute = 1e6, 2e6


def look(similarity):
    return Machine(compare=lambda: similarity)


def test_unrelated_weights_are_refused_with_a_composition(model):
    ends = (TEXT, CATS)
    models = [model("a", ends=ends), model("b", ends=ends)]
    report = check(models, Plan(), look(replace(NEAR, weight_cosine=0.02)))
    assert not report.is_compatible
    assert [each.code for each in report.findings] == ["unrelated"]
    assert "cosine 0.02" in report.findings[0].message
    assert (report.advice.method, report.advice.composition) == (None, "ensemble")
    assert report.resources is None


def test_weights_are_not_looked_at_when_headers_refuse(model):
    def forbidden():
        raise AssertionError("weights were read")

    report = check(
        [model("a"), model("b", config={"hidden_size": 9})], Plan(), Machine(compare=forbidden)
    )
    assert [each.code for each in report.findings] == ["hidden_size"]


@pytest.mark.parametrize(
    ("count", "has_base", "similarity", "method"),
    [
        (2, False, None, "slerp"),
        (3, False, None, "linear"),
        (3, True, None, "ties"),
        (3, True, NEAR, "ties"),
        (3, True, replace(NEAR, sign_agreement=0.9), "linear"),
        (2, True, None, "task_arithmetic"),
    ],
)
def test_the_method_that_is_recommended(count, has_base, similarity, method, model):
    models = [model(name) for name in "abc"[:count]]
    report = check(models, Plan(has_base=has_base), look(similarity))
    assert (report.advice.method, report.method) == (method, method)
    assert report.advice.reasons


def test_the_method_that_was_asked_for_is_judged(model):
    report = check([model("a"), model("b")], Plan("nuslerp"), look(NEAR))
    assert (report.method, report.advice.method) == ("nuslerp", "slerp")
    (estimate,) = report.estimates
    assert estimate.kept is None
    with pytest.raises(NotFoundError, match="no such merge method: mix"):
        check([model("a"), model("b")], Plan("mix"))


def test_models_that_left_their_base_are_a_warning(model):
    models = [model("a"), model("b"), model("base")]
    report = check(models, Plan(has_base=True), look(replace(NEAR, task_norm=1.5)))
    assert report.is_compatible
    assert [each.code for each in report.findings] == ["far_from_base"]


def test_transformers_get_no_score(model):
    report = check([model("a"), model("b")], Plan(), look(NEAR))
    assert {each.kept for each in report.estimates} == {None}
    assert "multilayer perceptrons, these are bert" in report.estimates[0].reasons[0]


def test_what_the_machine_lacks_is_a_warning(model):
    machine = Machine(speed=Speed, memory=10, disk=20)
    report = check([model("a"), model("b")], Plan("linear"), machine)
    assert report.is_compatible
    assert [each.code for each in report.findings] == ["memory", "disk"]
    assert report.resources.seconds == pytest.approx(3 * 1312 / 1e6 + 4 * 2 * 1312 / 2e6)


def test_errors_come_first(model):
    models = [model("a", license=None), model("b", config={"hidden_size": 9})]
    assert [each.severity for each in check(models, Plan()).findings] == ["error", "warning"]


# --- compositions


@pytest.mark.parametrize(
    ("first", "second", "kind", "reason"),
    [
        ((TEXT, VECTOR), (NUMBERS, CATS), "pipeline", "can read what the one before it answers"),
        ((TEXT, CATS), (TEXT, CATS), "ensemble", "same labels"),
        ((TEXT, CATS), (TEXT, COWS), "router", "their labels differ"),
        ((TEXT, VECTOR), (TEXT, VECTOR), "router", "not all of them are classifiers"),
        ((NUMBERS, CATS), (TEXT, CATS), None, "no pipeline"),
        (None, (TEXT, CATS), None, "what a takes and gives is not known"),
    ],
)
def test_compositions_by_what_goes_in_and_out(first, second, kind, reason, model):
    fit = fitting([model("a", ends=first), model("b", ends=second)])
    assert fit.kind == kind
    assert reason in fit.reason
