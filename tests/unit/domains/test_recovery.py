"""The wallet's registration key, and hints that only it opens."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joynet_sdk.chain.accounts import Account, LockedAccount
from joynet_sdk.domains import recovery
from joynet_sdk.errors import InvalidInputError

REGISTRY = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
ALICE, BOB = (Account.from_key(number.to_bytes(32, "big")) for number in (1, 2))
KEY = recovery.wallet_key(ALICE, 1, REGISTRY)
HINT = {"n": "alice.joy", "r": [["text.url", "https://example.org"]]}


class Shaky:
    """A wallet that signs differently each time."""

    is_locked = False

    def __init__(self):
        self._count = itertools.count()

    def sign_typed_data(self, domain, types, message):
        return next(self._count).to_bytes(65, "big")


def test_the_key_is_the_wallets_on_one_chain():
    assert recovery.wallet_key(ALICE, 1, REGISTRY) == KEY
    others = {
        recovery.wallet_key(BOB, 1, REGISTRY),
        recovery.wallet_key(ALICE, 2, REGISTRY),
        recovery.wallet_key(ALICE, 1, ALICE.address),
        recovery.wallet_key(LockedAccount("alice", ALICE.address), 1, REGISTRY),
        recovery.wallet_key(Shaky(), 1, REGISTRY),
    }
    assert len(others) == 5
    assert KEY not in others
    assert recovery.wallet_key(Shaky(), 1, REGISTRY) is None


def test_secrets_differ_by_salt_and_are_not_the_key():
    one, two = (recovery.secret_of(KEY, bytes([n]) * 16) for n in (1, 2))
    assert len({one, two, KEY}) == 3
    assert recovery.secret_of(KEY, b"\1" * 16) == one


def test_a_hint_opens_with_its_key_only():
    hint = recovery.seal(KEY, HINT)
    assert len(hint) <= recovery.MAX_HINT_BYTES
    assert recovery.unseal(KEY, hint) == HINT
    assert recovery.unseal(bytes(32), hint) is None
    assert recovery.seal(KEY, HINT) != hint  # a nonce of its own each time
    assert b"alice" not in hint
    for at in range(len(hint)):
        assert recovery.unseal(KEY, hint[:at] + bytes([hint[at] ^ 1]) + hint[at + 1 :]) is None
        assert recovery.unseal(KEY, hint[:at]) is None


def test_hints_hide_small_differences_in_length():
    short, longer = (recovery.seal(KEY, {**HINT, "n": name}) for name in ("a.joy", "abcdef.joy"))
    assert len(short) == len(longer)


def test_what_does_not_fit_is_refused():
    import os

    with pytest.raises(InvalidInputError, match="expected at most 483"):
        recovery.seal(KEY, {**HINT, "r": [["text.x", os.urandom(400).hex()]]})


@given(st.binary(max_size=600))
def test_foreign_hints_are_nothing(data):
    assert recovery.unseal(KEY, data) is None
