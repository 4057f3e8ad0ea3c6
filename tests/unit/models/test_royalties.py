"""Who gets what of a payment, without a chain."""

import pytest

from joynet_sdk.errors import InvalidInputError, VerificationError
from joynet_sdk.models.listing import Stake
from joynet_sdk.models.royalties import ClaimedShare, Shares, divide, preview

A, B = "0xA", "0xB"


def owned(by=A, parents=(), claims=()):
    return Shares([Stake(by, 10_000)], [Stake(*each) for each in parents], claims)


def test_rounding_goes_to_the_first_owner():
    shares = Shares([Stake(A, 3_333), Stake(B, 6_667)])
    assert divide(10, shares).owners == {A: 4, B: 6}
    assert divide(0, shares).owners == {A: 0, B: 0}


def test_an_owner_that_is_named_twice_gets_both():
    shares = Shares([Stake(A, 1), Stake(B, 5_000), Stake(A, 4_999)])
    assert divide(10_000, shares).owners == {A: 5_000, B: 5_000}


def test_a_grandparent_that_two_parents_pay_is_settled_once():
    family = {
        "child": owned(A, [("left", 5_000), ("right", 5_000)]),
        "left": owned(B, [("old", 3_333)]),
        "right": owned(B, [("old", 3_333)]),
        "old": owned("0xC"),
    }
    found = preview("child", 1_001, family.__getitem__)
    assert [(each.model, each.level, each.received) for each in found.models] == [
        ("child", 0, 1_001),
        ("left", 1, 500),
        ("right", 1, 500),
        ("old", 2, 332),
    ]
    assert found.accounts == {A: 1, B: 668, "0xC": 332}


def test_claimed_shares_come_first_and_shrink_the_parents_last():
    claims = [ClaimedShare("late", 4_000, False), ClaimedShare("later", 1_000, True)]
    family = {
        "child": owned(A, [("old", 6_000), ("older", 2_000)], claims),
        "late": owned(B),
        "old": owned("0xC"),
        "older": owned("0xD"),
    }
    found = preview("child", 10_000, family.__getitem__)
    assert found.accounts == {A: 0, B: 4_000, "0xC": 3_750, "0xD": 1_250}
    assert found.frozen == 1_000


def test_what_no_chain_can_say_is_refused():
    with pytest.raises(VerificationError, match="own ancestors"):
        preview("a", 1, {"a": owned(A, [("b", 1)]), "b": owned(A, [("a", 1)])}.__getitem__)
    with pytest.raises(VerificationError, match="over 512"):
        preview("0", 1, lambda model: owned(A, [(str(int(model) + 1), 1)]))
    with pytest.raises(InvalidInputError, match="expected 0 or more"):
        preview("a", -1, lambda model: owned())
