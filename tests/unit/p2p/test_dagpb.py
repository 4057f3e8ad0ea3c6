"""The links of dag-pb blocks."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joynet_sdk.errors import InvalidInputError, VerificationError
from joynet_sdk.formats import DAG_PB, RAW, Cid
from joynet_sdk.p2p.dagpb import Link, links, read_varint, write_varint

DIGEST = hashlib.sha256(b"x").digest()


def field(number: int, body: bytes) -> bytes:
    return bytes((number << 3 | 2,)) + write_varint(len(body)) + body


def test_links_of_a_known_block():
    # `ipfs dag-pb`: Links = [{Hash: <raw x>, Name: "a", Tsize: 300}], Data = 08 01
    cid = Cid(RAW, DIGEST)
    link = field(1, cid.binary) + field(2, b"a") + b"\x18\xac\x02"
    assert links(field(2, link) + field(1, b"\x08\x01")) == [Link(cid, 300)]


def test_version_0_links_become_version_1():
    assert links(field(2, field(1, b"\x12\x20" + DIGEST))) == [Link(Cid(DAG_PB, DIGEST), 0)]


def test_empty_block_has_no_links():
    assert links(b"") == []


@pytest.mark.parametrize(
    "block",
    [
        b"\x12",  # a field without length
        b"\x12\x05ab",  # runs past the end
        b"\x10\x01",  # links as a number
        b"\x13",  # group
        field(2, b""),  # link without hash
        field(2, field(1, b"\x01\x55\x11\x14" + bytes(20))),  # SHA-1
        field(2, field(1, b"")),
        b"\xff" * 20,
        b"\x80",
    ],
)
def test_malformed_blocks_are_refused(block):
    with pytest.raises(VerificationError, match="not dag-pb"):
        links(block)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=100))
def test_garbage_gives_links_or_a_verification_error(block):
    try:
        found = links(block)
    except VerificationError:
        return
    assert all(isinstance(link.cid, Cid) for link in found)


@given(st.integers(0, 2**63 - 1))
def test_varints_survive(number):
    data = write_varint(number)
    assert read_varint(b"\x00" + data, 1) == (number, 1 + len(data))


def test_endless_varint_is_refused():
    with pytest.raises(InvalidInputError, match="64 bits"):
        read_varint(b"\xff" * 11, 0)


def test_links_agree_with_the_importer_of_storage():
    from joynet_sdk.storage import dagpb as theirs

    children = [Link(Cid.of(RAW, bytes([n])), n * 1000) for n in range(5)]
    block = theirs.encode_node(
        [theirs.encode_link(b"name", child.cid, child.size) for child in children], b"\x08\x02"
    )
    assert links(block) == children
