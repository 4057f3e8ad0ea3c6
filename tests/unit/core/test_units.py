"""Amounts of JOY."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.units import format_joy, parse_joy


@pytest.mark.parametrize(
    ("text", "wei"),
    [("1", 10**18), ("1.5 JOY", 15 * 10**17), ("250 wei", 250), ("1_000", 10**21), ("1e-18", 1)],
)
def test_parse(text, wei):
    assert parse_joy(text) == wei


@pytest.mark.parametrize(
    "text", ["", "x", "-1", "1e-19", "1.5 wei", "nan", "inf", "1 2 3", "1 ETH", "1e60", "1e999999"]
)
def test_bad_amount_names_the_value(text):
    with pytest.raises(InvalidInputError, match="amount is"):
        parse_joy(text)


@given(st.integers(0, 2**256 - 1))
def test_format_round_trip(wei):
    assert parse_joy(format_joy(wei).replace(",", "")) == wei
