"""`composition.json` from strangers."""

import json
import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joynet_sdk.compositions.building import compose
from joynet_sdk.compositions.checking import clashes, decode
from joynet_sdk.compositions.document import (
    MAX_DOCUMENT_BYTES,
    Cascade,
    Ensemble,
    Pipeline,
    parse,
)
from joynet_sdk.errors import InvalidInputError
from joynet_sdk.formats import canonical_json

from .parts import TEXT, floats, vector

A, B = (floats(name, TEXT, vector("x", "y")) for name in "ab")
GOOD = compose(Ensemble(weights={"a": 1, "b": 2}), [A, B])
PLAIN = json.loads(GOOD.encode())


def broken(change):
    document = json.loads(GOOD.encode())
    change(document)
    return canonical_json(document)


def setting(*path_and_value):
    *path, last, value = path_and_value

    def change(document):
        for step in path:
            document = document[step]
        document[last] = value

    return change


def test_what_is_written_is_read():
    assert decode(GOOD.encode()) == GOOD
    assert parse(PLAIN) == GOOD


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (setting("more", 1), "more: Extra inputs"),
        (setting("format", "joynet-composition/2"), "format"),
        (setting("rule", "kind", "chain"), "rule"),
        (setting("rule", "weights", {"a": 0, "b": 1}), "greater than or equal to 1"),
        (setting("rule", "weights", {"a": 10001, "b": 1}), "less than or equal to 10000"),
        (setting("rule", "weights", {"a": 1, "z": 1}), "no component is named 'z'"),
        (setting("components", 0, "model", "0x12"), "model id"),
        (setting("components", 0, "model", PLAIN["components"][1]["model"]), "each model once"),
        (setting("components", 0, "name", "input"), "unique names, none of them input"),
        (setting("components", 0, "name", "../a"), "string_pattern|should match pattern"),
        (setting("components", PLAIN["components"] * 5), "at most 8"),
        (setting("connections", PLAIN["connections"] * 5), "at most 16"),
        (setting("connections", PLAIN["connections"][:3]), "this connection is missing"),
        (setting("connections", 0, "source", "b"), "b -> a"),
        (setting("connections", PLAIN["connections"] + PLAIN["connections"][:1]), "there twice"),
        (setting("connections", 0, "adapters", [{"adapter": "exec"}]), "adapter"),
        (setting("connections", 0, "adapters", [{"adapter": "normalise"}] * 5), "at most 4"),
        (setting("connections", 0, "adapters", [{"adapter": "quantise", "scale": "nan"}]), "scale"),
        (setting("connections", 0, "adapters", [{"adapter": "quantise", "scale": "-1"}]), "scale"),
        (setting("connections", 0, "adapters", [{"adapter": "quantise", "scale": "9" * 99}]), "sc"),
        (setting("connections", 0, "adapters", [{"adapter": "normalise"}]), "meets text"),
        (setting("output", "shape", [2**50]), "shape"),
        (setting("output", "shape", [1] * 9), "at most 8"),
        (setting("output", "shape", [1025]), "too large"),
        (setting("output", "labels", ["x", "x"]), "labels repeat"),
        (setting("output", "labels", ["x"]), "1 labels for vector"),
        (setting("output", "labels", ["p", "q"]), "labels differ|expected \\['p', 'q'\\]"),
        (setting("output", "dtype", "float16"), "dtype"),
        (setting("output", "dtype", "int8"), "vector of int8"),
        (setting("output", "scale", "0.5"), "scale: expected of logits"),
        (setting("input", "max_bytes", 2**40), "max_bytes"),
        (setting("input", "max_bytes", 0), "a text has max_bytes"),
        (setting("tolerance", None), "tolerance: expected where"),
        (setting("tolerance", 8192), "less than or equal to 8191"),
    ],
)
def test_broken_documents_are_refused(change, problem):
    with pytest.raises(InvalidInputError, match=problem):
        decode(broken(change))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"\xff",
        GOOD.encode() + b"\n",
        GOOD.encode().replace(b'"mean":"probabilities",', b""),
        b'{"a":' * 5000,
        b"[" * 100_000,
        json.dumps(PLAIN, indent=1).encode(),
    ],
)
def test_other_bytes_are_refused(data):
    with pytest.raises(InvalidInputError):
        decode(data)


def test_a_huge_document_is_refused_at_once():
    start = time.process_time()
    with pytest.raises(InvalidInputError, match="bytes, expected <="):
        decode(b" " * (MAX_DOCUMENT_BYTES + 1))
    assert time.process_time() - start < 1


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from([*PLAIN, "kind", "order", "x"]), inner, max_size=4)
        ),
        max_leaves=12,
    ),
    st.sampled_from([*PLAIN]),
)
def test_any_value_in_any_place_is_refused_with_a_reason(value, key):
    document = {**PLAIN, key: value}
    with suppress(InvalidInputError):
        assert document == PLAIN or key == "tolerance" or clashes(parse(document))


def test_a_pipeline_that_leaves_somebody_out():
    made = json.loads(compose(Pipeline(order=("a",)), [A]).encode())
    made["components"].append(PLAIN["components"][1])
    with pytest.raises(InvalidInputError, match="component 'b' takes no part"):
        decode(canonical_json(made))


@pytest.mark.parametrize("thresholds", [(), ("0.5", "0.5"), ("1.5",), ("0",), ("1e400",)])
def test_thresholds_that_make_no_sense(thresholds):
    with pytest.raises(ValueError, match="threshold|at least 1|positive decimal"):
        Cascade(order=("a", "b"), thresholds=thresholds)


def test_clashes_name_place_problem_and_fix():
    document = json.loads(GOOD.encode())
    document["connections"][0]["after"]["max_bytes"] = 10
    [clash] = clashes(parse(document))
    assert clash.where == "input -> a"
    assert "4,096 bytes meet a component that takes 10" in clash.problem
    assert clash.fix == "declare the composition's input with max_bytes 10"
    assert str(clash).startswith("input -> a: texts")


def test_documents_that_would_be_too_long_are_not_made():
    labels = [f"{n:0>255}" for n in range(200)]
    many = [floats(name, TEXT, vector(*labels)) for name in "abcdefgh"]
    with pytest.raises(InvalidInputError, match="the document would have") as caught:
        compose(Ensemble(weights=dict.fromkeys("abcdefgh", 1)), many)
    assert "shorter labels" in caught.value.hint


@pytest.mark.parametrize("mean", ["probabilities", "logits", "majority"])
def test_only_classifiers_are_averaged(mean):
    document = json.loads(compose(Ensemble(mean=mean, weights={"a": 1, "b": 2}), [A, B]).encode())
    document["output"]["labels"] = ["0", "1"]
    for connection in document["connections"]:
        if connection["target"] == "output":
            for end in ("before", "after"):
                connection[end] |= {"kind": "tensor", "labels": []}
    with pytest.raises(InvalidInputError, match="goes into a mean of vector"):
        decode(canonical_json(document))
