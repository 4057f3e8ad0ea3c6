"""The transcript against another keccak and the text of the specification."""

import pytest
from Crypto.Hash import keccak

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.proofs.field import FR
from joynet_sdk.proofs.transcript import Transcript, keccak256


def reference(data: bytes) -> bytes:
    return keccak.new(digest_bits=256, data=data).digest()


@pytest.mark.parametrize("length", [0, 1, 135, 136, 137, 1000])
def test_keccak(length):
    data = bytes(range(256)) * 4
    assert keccak256(data[:length]) == reference(data[:length])


def test_absorb_and_challenge_are_as_specified():
    transcript = Transcript(b"domain")
    state = reference(b"domain")
    transcript.absorb(b"abcd", b"message")
    state = reference(state + b"abcd" + bytes([0, 0, 0, 7]) + b"message")
    assert transcript.state == state
    for _ in range(3):
        state = reference(state + b"\x01")
        assert transcript.challenge() == int.from_bytes(state, "big") % FR
    assert Transcript.at(state).challenge() == transcript.challenge()


def test_no_two_challenges_are_equal():
    found = Transcript(b"x").challenges(50)
    assert len(set(found)) == 50


def test_messages_are_told_apart():
    """What is absorbed in two messages is not what is absorbed in one, nor under another tag."""
    states = set()
    for messages in (
        [(b"tag1", b"ab")],
        [(b"tag1", b"a"), (b"tag1", b"b")],
        [(b"tag2", b"ab")],
        [(b"tag1", b"ab"), (b"tag1", b"")],
        [],
    ):
        transcript = Transcript(b"x")
        for tag, data in messages:
            transcript.absorb(tag, data)
        states.add(transcript.state)
    assert len(states) == 5


@pytest.mark.parametrize("tag", [b"", b"abc", b"abcde", "abc\xe9".encode("latin-1")])
def test_tags_have_four_ascii_bytes(tag):
    with pytest.raises(InvalidInputError, match="expected 4 ASCII bytes"):
        Transcript(b"x").absorb(tag, b"")
