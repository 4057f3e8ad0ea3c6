"""Canonical JSON, CIDs, REFs and manifests: one form each, everything else refused."""

import hashlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joynet_sdk.errors import InvalidInputError, VerificationError
from joynet_sdk.formats import (
    DAG_PB,
    RAW,
    Cid,
    Engine,
    InputSpec,
    Manifest,
    ManifestFile,
    OutputSpec,
    canonical_json,
    check_relative_path,
    decode_cid,
    decode_manifest,
    model_cid,
    parse_canonical_json,
    parse_ref,
)

HELLO = "bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq"  # raw block b"hello"

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(json_values)
def test_canonical_json_round_trip(value):
    assert parse_canonical_json(canonical_json(value)) == value


def test_canonical_json_sorts_by_utf16_units():
    # RFC 8785 section 3.2.3: the astral character sorts before U+FB33.
    text = canonical_json({"\ufb33": 1, "\U0001f600": 2, "\r": 3, "1": 4, "\u0080": 5})
    assert text == b'{"\\r":3,"1":4,"\xc2\x80":5,"\xf0\x9f\x98\x80":2,"\xef\xac\xb3":1}'


@pytest.mark.parametrize("value", [1.5, 2**53, -(2**53), {1: 2}, b"x", "\ud800", float("nan")])
def test_canonical_json_refuses(value):
    with pytest.raises(InvalidInputError):
        canonical_json(value)


@pytest.mark.parametrize("data", [b'{"a": 1}', b'{"b":1,"a":1}', b"1.0", b'{"a":1,"a":1}', b"\xff"])
def test_other_forms_do_not_parse(data):
    with pytest.raises(VerificationError):
        parse_canonical_json(data)


def test_deep_nesting_is_refused():
    with pytest.raises(VerificationError):
        parse_canonical_json(b"[" * 100_000 + b"]" * 100_000)


def test_cid_of_known_block():
    assert str(Cid.of(RAW, b"hello")) == HELLO
    assert decode_cid(HELLO).digest == hashlib.sha256(b"hello").digest()


@given(st.binary(min_size=32, max_size=32), st.sampled_from([RAW, DAG_PB]))
def test_cid_round_trips(digest, codec):
    cid = Cid(codec, digest)
    assert decode_cid(str(cid)) == cid == Cid.from_binary(cid.binary)


@pytest.mark.parametrize(
    "text", ["", "Qm" + "a" * 44, HELLO.upper(), HELLO[:-1], HELLO[:-1] + "r", "z" + HELLO[1:]]
)
def test_bad_cid_names_what_was_expected(text):
    with pytest.raises(InvalidInputError, match="expected"):
        decode_cid(text)


def test_refs():
    digest = decode_cid(HELLO).digest
    assert parse_ref("digits.joy@2")[::2] == ("digits.joy", "2")
    assert parse_ref(HELLO).model_id == digest
    assert parse_ref("0x" + digest.hex()).model_id == digest
    assert model_cid(digest) == HELLO


@pytest.mark.parametrize(
    "text", ["digits", "0x12", "", "two words.joy", str(Cid(DAG_PB, bytes(32)))]
)
def test_bad_refs(text):
    with pytest.raises(InvalidInputError):
        parse_ref(text)


@pytest.mark.parametrize("path", ["", "/a", "../a", "a/../b", "a//b", "./a", "a\\b", "a\0b", "a/"])
def test_paths_that_leave_their_folder(path):
    with pytest.raises(InvalidInputError):
        check_relative_path(path)


@pytest.fixture
def manifest():
    return Manifest(
        title="Digits",
        architecture="qmodel/2",
        engine=Engine(name="qmodel", profile="qmodel/2"),
        verification="exact",
        root=str(Cid(DAG_PB, bytes(32))),
        files=[ManifestFile(path="a", size=1, sha256="0x" + "00" * 32, cid=HELLO)],
        input=InputSpec(kind="tensor", dtype="int8", shape=[64]),
        output=OutputSpec(kind="logits", dtype="int8", shape=[10], scale="0.1"),
        license="Apache-2.0",
    )


def test_manifest_round_trip_and_id(manifest):
    data = manifest.encode()
    assert decode_manifest(data) == manifest
    assert manifest.model_id == hashlib.sha256(data).digest()
    assert b'"class":"exact"' in data


@pytest.mark.parametrize(
    "change",
    [
        {"tolerance": 3},
        {"root": "bafy"},
        {"files": []},
        {"files": [ManifestFile(path="../x", size=1, sha256="0x" + "00" * 32, cid=HELLO)]},
        {"files": [ManifestFile(path=".git/config", size=1, sha256="0x" + "00" * 32, cid=HELLO)]},
        {"files": [ManifestFile(path="a/.b", size=1, sha256="0x" + "00" * 32, cid=HELLO)]},
        {"input": InputSpec(kind="tensor", dtype="int8", shape=[-1])},
    ],
)
def test_broken_manifest_is_refused(manifest, change):
    with pytest.raises(InvalidInputError):
        decode_manifest(msgspec.structs.replace(manifest, **change).encode())


@pytest.mark.parametrize(
    "data", [b"{}", b"[]", b'{"format":"joynet-manifest/1"}', b"x" * 65_537, b'{"class":1}']
)
def test_not_a_manifest(data):
    with pytest.raises(InvalidInputError):
        decode_manifest(data)


def test_unknown_field_is_refused(manifest):
    data = manifest.encode().replace(b'"title"', b'"titlf":1,"title"')
    with pytest.raises(InvalidInputError):
        decode_manifest(data)
