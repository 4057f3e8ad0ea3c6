"""ModelLicenses and the SDK agree on which key is right, byte by byte, and on what terms mean."""

import hashlib
from dataclasses import replace

import boa
import pytest

from joynet_sdk import keywrap
from joynet_sdk.errors import InvalidInputError
from joynet_sdk.keywrap import Licence, Wrapped
from joynet_sdk.licenses import License, State, Terms
from joynet_sdk.types import Address, JoyWei, ModelId

from .conftest import CONTENT_KEY, KEY_HASH

RIGHT = "ModelLicenses: the key is right"


def secret(*what):
    """32 bytes, the same in every run."""
    return hashlib.sha256(repr(what).encode()).digest()


def bound(shop, number):
    return Licence(number, str(shop.licenses.address), boa.env.evm.patch.chain_id)


def opens(private, wrapped, licence):
    """What the SDK says of a posted key."""
    try:
        key = keywrap.unwrap(private, wrapped, licence)
    except InvalidInputError:
        return False
    return keywrap.content_key_hash(key) == KEY_HASH


def is_right(shop, number, private, client):
    """What the contract says; the chain is left as it was."""
    with boa.env.anchor():
        try:
            shop.licenses.dispute(number, private, sender=client)
        except boa.BoaError as error:
            if RIGHT not in str(error):
                raise
            return True
        return False


def flipped(data, bit):
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def variants(good):
    """The right key, and others that differ from it in a little."""
    yield good
    yield Wrapped(good.ephemeral, flipped(good.key, 0))
    yield Wrapped(good.ephemeral, flipped(good.key, 255))
    yield Wrapped(flipped(good.ephemeral, 0), good.key)
    yield Wrapped(flipped(good.ephemeral, 255), good.key)  # the same point, another text
    yield Wrapped((1).to_bytes(32, "little"), good.key)  # of small order
    yield Wrapped(b"\xff" * 32, good.key)  # above the prime


@pytest.mark.parametrize("seed", range(3))
def test_sdk_and_contract_agree_on_every_posted_key(shop, sealed, client, publisher, seed):
    private = secret(seed, "buyer")
    number = shop.buy(sealed, client, private)
    assert shop.licenses.license(number).buyer_key == keywrap.public_key(private)
    licence = bound(shop, number)
    good = keywrap.wrap(CONTENT_KEY, keywrap.public_key(private), licence)
    verdicts = []
    for posted in variants(good) if seed == 0 else [good]:
        with boa.env.anchor():
            shop.licenses.release(number, posted.ephemeral, posted.key, sender=publisher)
            verdict = is_right(shop, number, private, client)
        assert verdict == opens(private, posted, licence)
        verdicts.append(verdict)
    assert verdicts[0] is True
    assert not any(verdicts[1:])


def test_a_key_wrapped_for_another_licence_contract_or_chain_is_wrong(shop, sealed, client):
    private = secret("buyer")
    number = shop.buy(sealed, client, private)
    licence = bound(shop, number)
    for other in (
        licence._replace(id=number + 1),
        licence._replace(contract="0x" + "11" * 20),
        licence._replace(chain_id=licence.chain_id + 1),
    ):
        wrapped = keywrap.wrap(CONTENT_KEY, keywrap.public_key(private), other)
        assert opens(private, wrapped, other)
        assert not opens(private, wrapped, licence)
        with boa.env.anchor():
            shop.licenses.release(number, *wrapped, sender=shop.publisher)
            assert not is_right(shop, number, private, client)


def test_terms_travel_unchanged_and_their_digest_is_the_contracts(shop, listed, client):
    model_id = ModelId(listed(9))
    terms = Terms(JoyWei(7), 90_000, KEY_HASH, Address(client), True, True, 1_000)
    for each in (terms, replace(terms, key_holder=None, is_required=False, resale_bps=0)):
        numbers = {"price": each.price, "period": each.period, "key_hash": each.key_hash}
        values = each.struct() | numbers
        shop.licenses.set_terms(model_id, tuple(values.values()), sender=shop.publisher)
        shown = shop.licenses.terms(model_id)
        assert Terms.of({name: getattr(shown, name) for name in values}) == each
        assert shop.licenses.terms_digest(model_id) == each.digest(model_id)


def test_a_licence_is_read_as_the_contract_has_it(shop, sealed, client):
    number = shop.buy(sealed, client)
    for state in (State.AWAITING_KEY, State.KEY_POSTED):
        struct = shop.licenses.license(number)
        names = [field for field in License.__slots__ if field != "id"]
        read = License.of(number, {name: getattr(struct, name) for name in names})
        assert (read.state, read.owner, read.escrow) == (state, client, 1_000)
        assert read.is_sealed
        assert read.is_valid is (state == State.KEY_POSTED)
        if state == State.AWAITING_KEY:
            shop.release(number)
