"""Every clash is told with where it is, what it is, and its fix."""

import pytest

from joynet_sdk.compositions.building import Candidate, compose
from joynet_sdk.compositions.checking import check_verification, manifest_clashes
from joynet_sdk.compositions.document import (
    Cascade,
    Condition,
    Dequantise,
    Ensemble,
    Normalise,
    Pipeline,
    Port,
    Probabilities,
    Quantise,
    Relabel,
    Rescale,
    Reshape,
    Route,
    Router,
)
from joynet_sdk.compositions.typing import MismatchError, adapted, check_fit, connect
from joynet_sdk.errors import InvalidInputError
from joynet_sdk.formats import InputSpec, OutputSpec

from .parts import ABC, TEXT, floats, manifest_of, tensor, vector

EYE = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
LOGITS = Port(kind="logits", dtype="int8", shape=(3,), labels=ABC, scale="0.5")
SHARES = Port(kind="vector", dtype="float32", shape=(3,), labels=ABC)
UNIT = Port(kind="vector", dtype="float32", shape=(3,))
INT8 = Port(kind="tensor", dtype="int8", shape=(3,))
FLOAT = Port(kind="tensor", dtype="float32", shape=(3,))
WORDS = Port(kind="text", dtype="utf8", max_bytes=100)


def other(port, **changes):
    return port.model_copy(update=changes)


@pytest.mark.parametrize(
    ("have", "want", "problem", "fix"),
    [
        (WORDS, INT8, "text of at most 100 bytes meets tensor int8", "put an embedder"),
        (UNIT, WORDS, "meets text", "cannot be read as text"),
        (other(WORDS, max_bytes=101), WORDS, "101 bytes meet .* takes 100", "max_bytes 100"),
        (UNIT, INT8, "vector float32 .* meets tensor int8", "adapter quantise with the QModel's"),
        (LOGITS, SHARES, "logits int8 .* meets vector", "adapter probabilities"),
        (INT8, FLOAT, "int8 .* meets tensor float32", "adapter dequantise"),
        (FLOAT, UNIT, "tensor float32 .* meets vector", "adapter normalise"),
        (FLOAT, other(INT8, dtype="uint16"), "meets tensor uint16", "no adapter does that"),
        (INT8, other(INT8, shape=(1, 3)), r"\[3\] meets .*\[1x3\]", r"reshape to \[1, 3\]"),
        (UNIT, other(UNIT, shape=(4,)), r"\[3\] meets .*\[4\]", "3 values are not 4"),
        (SHARES, other(SHARES, shape=(2,), labels=("a", "b")), "3 labels meets", "adapter relabel"),
        (LOGITS, INT8, "logits in steps of 0.5 meet an int8 tensor", "adapter rescale"),
        (LOGITS, other(LOGITS, scale="0.1"), "steps of 0.5 meet .* 0.1", "ensemble of logits"),
        (SHARES, other(SHARES, labels=("a", "b", "d")), "labels differ: 'c', 'd'", "relabel"),
        (SHARES, other(SHARES, labels=("b", "a", "c")), "in another order", "adapter relabel"),
        (UNIT, SHARES, "gives no labels, the other has 3", "no classifier's answer"),
        (SHARES, UNIT, "has labels, the other takes none", "no classifier's answer"),
    ],
)
def test_two_types_that_do_not_fit(have, want, problem, fix):
    with pytest.raises(MismatchError, match=problem) as caught:
        check_fit(have, want)
    assert fix.replace("\\", "") in caught.value.hint


@pytest.mark.parametrize("port", [LOGITS, SHARES, UNIT, INT8, FLOAT, WORDS])
def test_a_type_fits_itself(port):
    check_fit(port, port)


def test_vectors_are_float_tensors():
    check_fit(UNIT, FLOAT)
    check_fit(SHARES, FLOAT)


@pytest.mark.parametrize(
    ("have", "adapter", "problem"),
    [
        (INT8, Quantise(scale="1"), "quantise meets tensor int8 .* expected float32"),
        (UNIT, Dequantise(scale="1"), "dequantise meets vector"),
        (UNIT, Rescale(scale="1", to="2"), "rescale meets vector"),
        (LOGITS, Rescale(scale="1", to="2"), "rescale from steps of 1, the logits have 0.5"),
        (UNIT, Probabilities(), "expected logits"),
        (INT8, Normalise(), "expected float32 with one side"),
        (LOGITS, Reshape(shape=(3,)), "expected a tensor or a vector"),
        (INT8, Reshape(shape=(2, 2)), r"reshape of 3 values to \[2, 2\]"),
        (UNIT, Relabel(labels=("x",), mapping={}), "expected a classifier's answer"),
        (SHARES, Relabel(labels=("x",), mapping={"a": "x"}), "maps no label 'b'"),
        (
            SHARES,
            Relabel(labels=("x",), mapping=dict.fromkeys([*ABC, "d"], "x")),
            "maps 'd', which the component does not give",
        ),
        (
            SHARES,
            Relabel(labels=("x",), mapping={"a": "x", "b": "x", "c": "y"}),
            "maps to 'y', which is not among its labels",
        ),
        (LOGITS, Relabel(labels=("x",), mapping=dict.fromkeys(ABC, "x")), "logits meet at 'x'"),
    ],
)
def test_adapters_that_do_not_take_a_type(have, adapter, problem):
    with pytest.raises(MismatchError, match=problem):
        adapted(have, adapter)


@pytest.mark.parametrize(
    ("have", "want", "options", "names"),
    [
        (UNIT, INT8, {"input_scale": "0.1"}, ["quantise"]),
        (UNIT, other(INT8, shape=(1, 3)), {"input_scale": "0.1"}, ["quantise", "reshape"]),
        (LOGITS, INT8, {"input_scale": "0.1"}, ["rescale"]),
        (LOGITS, SHARES, {}, ["probabilities"]),
        (LOGITS, other(SHARES, labels=("c", "b", "a")), {}, ["probabilities", "relabel"]),
        (INT8, INT8, {"step": "0.1", "input_scale": "0.1"}, []),
        (INT8, INT8, {"step": "0.1", "input_scale": "0.2"}, ["rescale"]),
        (INT8, other(FLOAT, shape=(1, 3)), {"step": "0.1"}, ["dequantise", "reshape"]),
        (WORDS, WORDS, {}, []),
    ],
)
def test_adapters_that_are_chosen(have, want, options, names):
    chosen = connect(have, want, **options)
    assert [adapter.adapter for adapter in chosen] == names


# --- whole compositions


def test_a_head_for_another_embedder_is_explained(parts):
    minilm = floats("minilm", TEXT, vector(size=384))
    head = parts.linear("head", [[0] * 768, [0] * 768], labels=("x", "y"))
    with pytest.raises(InvalidInputError, match="minilm -> head: .*384.* meets .*768") as caught:
        compose(Pipeline(order=("minilm", "head")), [minilm, head])
    assert "a head trained on this embedder" in caught.value.hint


def test_text_after_numbers_is_explained(parts):
    head, minilm = parts.linear("head", EYE), floats("minilm", TEXT, vector(size=384))
    with pytest.raises(InvalidInputError, match="head -> minilm: logits .* meets text"):
        compose(Pipeline(order=("head", "minilm")), [head, minilm])


@pytest.mark.parametrize("rule", [Ensemble(weights={"a": 1, "b": 1}),
                                  Cascade(order=("a", "b"), thresholds=("0.5",))])  # fmt: skip
def test_classifiers_of_other_labels_are_explained(rule):
    a, b = floats("a", TEXT, vector("x", "y")), floats("b", TEXT, vector("x", "z"))
    with pytest.raises(InvalidInputError, match="b -> output: labels differ: 'z', 'y'") as caught:
        compose(rule, [a, b])
    assert "relabel" in caught.value.hint
    made = compose(rule, [a, b], relabel={"b": {"x": "x", "z": "y"}})
    assert made.output.labels == ("x", "y")


def test_embedders_are_no_ensemble():
    a, b = floats("a", TEXT, vector(size=4)), floats("b", TEXT, vector(size=4))
    with pytest.raises(InvalidInputError, match="names no label"):
        compose(Ensemble(weights={"a": 1, "b": 1}), [a, b])


def test_a_router_may_choose_among_embedders():
    judge = floats("judge", TEXT, vector("x", "y"))
    a, b = floats("a", TEXT, vector(size=4)), floats("b", TEXT, vector(size=4))
    routes = (Route(label="x", use="a"), Route(label="y", use="b"))
    rule = Router(classifier="judge", decides=judge.gives, routes=routes)
    assert compose(rule, [judge, a, b]).output == a.gives


@pytest.mark.parametrize(
    ("routes", "otherwise", "problem"),
    [
        ({"z": "a"}, "b", "'judge' gives no label 'z'"),
        ({"x": "b"}, None, "component 'a' takes no part"),
        ({"x": "judge", "y": "a"}, "b", "judge -> output|a -> output: labels differ"),
    ],
)
def test_routes_that_lead_nowhere(routes, otherwise, problem):
    judge = floats("judge", TEXT, vector("x", "y"))
    a, b = floats("a", TEXT, vector("p", "q")), floats("b", TEXT, vector("p", "q"))
    routes = tuple(Route(label=label, use=use) for label, use in routes.items())
    rule = Router(classifier="judge", decides=judge.gives, routes=routes, otherwise=otherwise)
    with pytest.raises(InvalidInputError, match=problem):
        compose(rule, [judge, a, b])


def test_every_label_has_a_route():
    judge, a = floats("judge", TEXT, vector("x", "y")), floats("a", TEXT, vector("p", "q"))
    rule = Router(classifier="judge", decides=judge.gives, routes=(Route(label="x", use="a"),))
    with pytest.raises(InvalidInputError, match="label 'y' has no route, and there is no other"):
        compose(rule, [judge, a])


def test_a_router_needs_a_classifier_that_classifies():
    judge, a = floats("judge", TEXT, vector(size=4)), floats("a", TEXT, vector("p", "q"))
    route = (Route(label="x", use="a"),)
    rule = Router(classifier="judge", decides=judge.gives, routes=route, otherwise="a")
    with pytest.raises(InvalidInputError, match="'judge' gives vector .* expected labels"):
        compose(rule, [judge, a])


@pytest.mark.parametrize(
    ("source", "condition", "problem"),
    [
        (TEXT, Condition(index=0, at_least=1, use="a"), "about a tensor meets text"),
        (tensor(3), Condition(contains=("x",), use="a"), "about a text meets tensor"),
        (tensor(3), Condition(index=3, at_least=1, use="a"), "index 3 of 3 values"),
    ],
)
def test_rules_about_another_input(source, condition, problem):
    a, b = floats("a", source, vector("x", "y")), floats("b", source, vector("x", "y"))
    with pytest.raises(InvalidInputError, match=problem):
        compose(Router(rules=(condition,), otherwise="b"), [a, b])


def test_unknown_and_doubled_names():
    a = floats("a", TEXT, vector("x", "y"))
    with pytest.raises(InvalidInputError, match="no component is named 'b', have a"):
        compose(Pipeline(order=("a", "b")), [a])
    with pytest.raises(InvalidInputError, match="two components have one name"):
        compose(Pipeline(order=("a",)), [a, a])


def test_votes_that_pass_int8(parts):
    a, b = parts.linear("a", EYE), parts.linear("b", EYE)
    with pytest.raises(InvalidInputError, match="128 votes"):
        compose(Ensemble(mean="majority", weights={"a": 127, "b": 1}), [a, b])


def test_int8_answers_may_not_hang_on_floats(parts):
    a, b = parts.linear("a", EYE), parts.linear("b", EYE)
    exact = compose(Ensemble(mean="logits", weights={"a": 1, "b": 1}), [a, b])
    assert exact.verification == "exact"
    loose = manifest_of("a", a.manifest.engine, tensor(3), a.manifest.output, tolerance=4)
    with pytest.raises(InvalidInputError, match="component 'a' computes in floats") as caught:
        check_verification(exact, {"a": loose, "b": b.manifest})
    assert "probabilities" in caught.value.hint
    rule = Cascade(order=("a", "b"), thresholds=("0.5",))
    assert compose(rule, [a, b]).verification == "tolerant"


def test_tolerance_covers_a_step_behind_a_rounding_boundary(parts):
    """One logit a step up, another one a step down: 2 * 0.25 in logits, 0.125 in probability."""
    embedder = floats("e", TEXT, vector(size=3))
    made = compose(Pipeline(order=("e", "head")), [embedder, parts.linear("head", EYE)])
    assert made.tolerance == 4096  # ceil(32767 * 0.25 / 2)
    plain = compose(Pipeline(order=("e",)), [embedder])
    assert plain.tolerance == 4
    worse = Candidate("w", manifest_of("w", embedder.manifest.engine, TEXT, vector("x", "y"), 99))
    assert compose(Pipeline(order=("w",)), [worse]).tolerance == 99


# --- against manifests


def test_manifests_that_differ_from_the_declared_types(parts):
    a, b = parts.linear("a", EYE), parts.linear("b", EYE)
    made = compose(Pipeline(order=("a", "b")), [a, b])
    manifests, scales = {"a": a.manifest, "b": b.manifest}, {"a": "0.5", "b": "0.5"}
    assert manifest_clashes(made, manifests, scales) == []
    output = OutputSpec(kind="logits", dtype="int8", shape=[3], labels=[*ABC], scale="0.75")
    changed = manifest_of("a", a.manifest.engine, tensor(3), output)
    [clash] = manifest_clashes(made, {**manifests, "a": changed}, {})
    assert clash.where == "a -> b, before"
    assert "with other labels or another scale" in clash.problem
    assert "joynet fuse compose" in clash.fix
    wider = manifest_of("b", b.manifest.engine, tensor(4), b.manifest.output)
    assert "[4]" in manifest_clashes(made, {**manifests, "b": wider}, {})[0].problem
    [clash] = manifest_clashes(made, manifests, {"b": "0.125"})
    assert "steps of 0.5, the model reads steps of 0.125" in clash.problem


def test_a_text_may_be_declared_shorter_than_the_model_takes():
    short = InputSpec(kind="text", dtype="utf8", shape=[], max_bytes=10)
    a, b = floats("a", TEXT, vector("x", "y")), floats("b", short, vector("x", "y"))
    made = compose(Ensemble(weights={"a": 1, "b": 1}), [a, b])
    assert made.input.max_bytes == 10
    assert manifest_clashes(made, {"a": a.manifest, "b": b.manifest}, {}) == []


def test_models_beyond_the_bounds_of_compositions():
    huge = floats("a", tensor(2**24), vector("x", "y"))
    with pytest.raises(InvalidInputError, match="type that no composition takes"):
        compose(Pipeline(order=("a",)), [huge])


def test_one_model_takes_part_once(parts):
    a = parts.linear("a", EYE)
    again = Candidate("b", a.manifest, a.input_scale)
    with pytest.raises(
        InvalidInputError, match="composition: components: expected each model once"
    ):
        compose(Ensemble(weights={"a": 1, "b": 1}), [a, again])


def test_labels_that_repeat_are_refused(parts):
    a, b = parts.linear("a", EYE), parts.linear("b", EYE)
    with pytest.raises(InvalidInputError, match="labels repeat"):
        compose(Ensemble(weights={"a": 1, "b": 1}), [a, b], labels=("x", "x", "y"))
