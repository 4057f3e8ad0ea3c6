"""From what people type to request bytes, and from response bytes to what people read."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.formats import InputSpec, OutputSpec
from joynet_sdk.inference.codec import (
    MAX_INPUT_BYTES,
    check_request,
    decode_output,
    encode_input,
    vector_to_int16,
)

GRID = InputSpec(kind="tensor", dtype="int8", shape=[2, 3])
BYTES = InputSpec(kind="tensor", dtype="uint8", shape=[2])
TEXT = InputSpec(kind="text", dtype="utf8", shape=[], max_bytes=20)
LOGITS = OutputSpec(kind="logits", dtype="int8", shape=[3], labels=["a", "b", "c"], scale="0.5")
VECTOR = OutputSpec(kind="vector", dtype="float32", shape=[4])


@pytest.mark.parametrize("text", ["[[1, -2, 3], [4, 5, 127]]", "[1,-2,3,4,5,127]"])
def test_tensor_nested_or_flat(text):
    assert encode_input(GRID, text.encode()) == bytes([1, 254, 3, 4, 5, 127])


def test_uint8():
    assert encode_input(BYTES, b"[0, 255]") == b"\x00\xff"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"seven",
        b"\xff\xfe",
        b"[1, 2]",
        b"[1, 2, 3, 4, 5, 6, 7]",
        b"[[1, 2, 3], [4, 5]]",
        b"[1, 2, 3, 4, 5, 128]",
        b"[1, 2, 3, 4, 5, -129]",
        b"[1, 2, 3, 4, 5, 18446744073709551616]",
        b"[1, 2, 3, 4, 5, " + b"9" * 5000 + b"]",
        b"[1.0, 2, 3, 4, 5, 6]",
        b"[1, 2, 3, 4, 5, NaN]",
        b'["1", "2", "3", "4", "5", "6"]',
        b"[true, true, true, true, true, true]",
        b"[null, 2, 3, 4, 5, 6]",
        b'{"a": 1}',
        b"[" * 100_000,
        b"[" * 40 + b"1" + b"]" * 40,
    ],
    ids=lambda data: repr(data[:30]),
)
def test_what_is_no_such_tensor_says_what_is_expected(data):
    with pytest.raises(InvalidInputError, match="6 integers from -128 to 127"):
        encode_input(GRID, data)


def test_text_is_passed_as_it_is():
    assert encode_input(TEXT, "grüße".encode()) == "grüße".encode()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "1 to 20"),
        (b"x" * 21, "1 to 20"),
        (b"  \n", "blank"),
        (b"\xff\xfe\xfd", "not UTF-8"),
    ],
)
def test_text_is_checked(data, reason):
    with pytest.raises(InvalidInputError, match=reason):
        encode_input(TEXT, data)


def test_a_huge_input_is_refused_by_its_length():
    with pytest.raises(InvalidInputError, match="524,289 bytes, expected at most 524,288"):
        encode_input(GRID, bytes(MAX_INPUT_BYTES + 1))


@pytest.mark.parametrize("dtype", ["O", "float64", "int64", "V8", "", "i1,i1"])
def test_tensor_types_of_hostile_manifests(dtype):
    spec = InputSpec(kind="tensor", dtype=dtype, shape=[2])
    with pytest.raises(InvalidInputError, match="tensor type"):
        encode_input(spec, b"[1, 2]")
    with pytest.raises(InvalidInputError, match="tensor type"):
        check_request(spec, b"12")
    with pytest.raises(InvalidInputError, match="tensor type"):
        decode_output(OutputSpec(kind="logits", dtype=dtype, shape=[2]), b"12")


@settings(max_examples=30, deadline=None)
@given(arrays(np.int8, (2, 3)))
def test_every_tensor_round_trips(values):
    data = encode_input(GRID, json.dumps(values.tolist()).encode())
    assert data == values.tobytes()
    check_request(GRID, data)


@pytest.mark.parametrize("size", [0, 5, 7])
def test_a_node_checks_the_length_of_a_tensor(size):
    with pytest.raises(InvalidInputError, match="expected 6"):
        check_request(GRID, bytes(size))


# --- responses ------------------------------------------------------------------------------------


def test_logits_become_a_label_and_probabilities():
    decoded = decode_output(LOGITS, np.array([0, 4, -2], np.int8).tobytes())
    weights = np.exp([0.0, 2.0, -1.0])
    assert decoded.summary == "b, 0.84"
    assert decoded.value["label"] == "b"
    expected = dict(zip("abc", (weights / weights.sum()).round(6).tolist(), strict=True))
    assert decoded.value["probabilities"] == expected


def test_logits_without_labels_are_numbered():
    spec = OutputSpec(kind="logits", dtype="int8", shape=[2], scale="1")
    assert decode_output(spec, b"\x00\x7f").summary == "1, 1.00"


@pytest.mark.parametrize("scale", ["abc", "nan", "inf", "-1", "0", "1e999"])
def test_a_scale_that_is_no_scale(scale):
    spec = OutputSpec(kind="logits", dtype="int8", shape=[2], scale=scale)
    with pytest.raises(InvalidInputError, match="scale"):
        decode_output(spec, b"\x00\x01")


def test_labels_that_do_not_fit():
    spec = OutputSpec(kind="logits", dtype="int8", shape=[2], labels=["only"])
    with pytest.raises(InvalidInputError, match="1 labels for 2 outputs"):
        decode_output(spec, b"\x00\x01")


@pytest.mark.parametrize(("spec", "size"), [(LOGITS, 2), (LOGITS, 4), (VECTOR, 8), (VECTOR, 17)])
def test_a_response_of_another_length(spec, size):
    with pytest.raises(InvalidInputError, match=f"response has {size} bytes"):
        decode_output(spec, bytes(size))


def test_a_shape_that_no_memory_holds_is_only_a_number():
    spec = OutputSpec(kind="vector", dtype="float32", shape=[2**24] * 8)
    with pytest.raises(InvalidInputError, match="expected"):
        decode_output(spec, b"")


def test_vector_as_a_node_and_as_a_committee_gives_it():
    vector = np.array([0.6, -0.8, 0.0, 1.0], "<f4")
    direct = decode_output(VECTOR, vector.tobytes())
    assert direct.value["vector"] == pytest.approx(vector.tolist())
    steps = vector_to_int16(vector.tobytes())
    assert np.frombuffer(steps, ">i2").tolist() == [19660, -26214, 0, 32767]
    voted = decode_output(VECTOR, steps, from_committee=True)
    assert voted.value["vector"] == pytest.approx(vector.tolist(), abs=0.5 / 32767)
    assert voted.summary == "[0.6000, -0.8000, 0.0000, 1.0000, ...] (4 numbers)"


def test_int16_rounds_half_to_even_and_clips():
    """docs/spec/manifest.md: round_half_even(v * 32767), clipped."""
    halves = np.array([0.5, 1.5, 2.5, -0.5], np.float64) / 32767
    exact = halves.astype("<f4").astype(np.float64) * 32767
    got = np.frombuffer(vector_to_int16(halves.astype("<f4").tobytes()), ">i2")
    assert got.tolist() == np.rint(exact).astype(int).tolist()
    wide = np.frombuffer(vector_to_int16(np.array([2.0, -2.0], "<f4").tobytes()), ">i2")
    assert wide.tolist() == [32767, -32767]
