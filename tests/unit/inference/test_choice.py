"""`--verify`: what may be written, and what it means."""

import pytest

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.inference.service import Choice, parse_verify


def test_choices():
    assert parse_verify("none") == Choice()
    assert parse_verify("zk") == Choice(is_proof=True)
    assert parse_verify("redundant:3") == Choice(seats=3)


@pytest.mark.parametrize("text", ["", "ZK", "zk:2", "redundant:2", "redundant:23", "redundant"])
def test_anything_else_is_refused(text):
    with pytest.raises(InvalidInputError, match="expected none, zk, or redundant:N with N odd"):
        parse_verify(text)
