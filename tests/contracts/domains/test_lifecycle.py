"""Live, grace, free: each edge at its exact second, for every function that depends on it."""

import boa
import pytest

DAY = 86_400
YEAR = 365 * DAY
GRACE = 30 * DAY
MIN_DURATION = 28 * DAY
MAX_TERM = 10 * YEAR
PRICE = 3 * 10**11 + 7  # wei of JOY per second, 5 characters
ANY = 2**256 - 1
ZERO = "0x" + "00" * 20
NAME = "PermaNetDomainRegistry: "
TOKEN = "name_tokens: "


@pytest.fixture
def expiry(registry, alice_joy):
    return registry.registration(alice_joy).expires_at


@pytest.fixture
def token_id(names):
    return names.token_id("alice")


def test_live_until_the_second_before_expiry(names, registry, expiry, alice_joy, alice, resolver):
    names.at(expiry - 1)
    assert registry.is_live(alice_joy)
    assert registry.live_owner(alice_joy) == alice
    assert registry.resolver(alice_joy) == resolver.address
    assert registry.scope(alice_joy) == registry.scope_for(alice_joy, alice) == 1
    names.at(expiry)
    assert not registry.is_live(alice_joy)
    assert registry.live_owner(alice_joy) == registry.resolver(alice_joy) == ZERO
    assert registry.scope(alice_joy) == registry.scope_for(alice_joy, alice) == 0
    assert registry.registration(alice_joy).resolver == resolver.address


def test_owner_keeps_the_token_until_the_last_second_of_grace(
    names, registry, expiry, alice_joy, token_id, alice
):
    names.at(expiry + GRACE - 1)
    assert registry.ownerOf(token_id) == registry.registration(alice_joy).owner == alice
    assert registry.tokenURI(token_id).startswith("data:")
    assert not registry.available("alice", names.tld)
    names.at(expiry + GRACE)
    for view in (registry.ownerOf, registry.getApproved, registry.tokenURI):
        with boa.reverts(TOKEN + "no such token"):
            view(token_id)
    assert registry.registration(alice_joy).owner == ZERO
    assert registry.available("alice", names.tld)
    assert registry.balanceOf(alice) == 1
    assert registry.name_of(alice_joy) == "alice.joy"


def test_nobody_registers_in_grace_and_anybody_at_its_end(names, registry, expiry, alice_joy, bob):
    request = names.request("alice", bob)
    names.at(expiry + GRACE - 11)
    names.commit(request, sender=bob)
    names.at(expiry + GRACE - 1)
    with boa.reverts(NAME + "name taken"):
        names.reveal(request, sender=bob)
    names.at(expiry + GRACE)
    names.reveal(request, sender=bob)
    assert registry.live_owner(alice_joy) == bob
    assert registry.registration(alice_joy).generation == 2


def test_registering_a_lapsed_name_moves_the_token(names, registry, expiry, token_id, alice, bob):
    registry.approve(bob, token_id, sender=alice)
    names.at(expiry + GRACE)
    names.register("alice", bob)
    transfers = [
        (log.sender, log.receiver) for log in registry.get_logs() if hasattr(log, "token_id")
    ]
    assert transfers == [(alice, ZERO), (ZERO, bob)]
    assert (registry.balanceOf(alice), registry.balanceOf(bob)) == (0, 1)
    assert registry.getApproved(token_id) == ZERO


def test_owner_may_register_its_own_lapsed_name(names, registry, expiry, alice_joy, alice):
    names.at(expiry + GRACE)
    names.register("alice", alice)
    assert registry.balanceOf(alice) == 1
    assert registry.scope(alice_joy) == 2


def test_anyone_renews_a_live_name(names, registry, joy, expiry, alice_joy, alice, bob):
    names.at(expiry - 1)
    before = joy.balanceOf(bob)
    renewed = registry.renew("alice", names.tld, YEAR, PRICE * YEAR, sender=bob)
    assert renewed == expiry + YEAR == registry.registration(alice_joy).expires_at
    assert before - joy.balanceOf(bob) == PRICE * YEAR
    assert registry.live_owner(alice_joy) == alice
    assert registry.scope(alice_joy) == 1


def test_only_owner_and_operator_renew_in_grace(
    names, registry, expiry, alice_joy, token_id, alice, bob
):
    registry.approve(bob, token_id, sender=alice)
    names.at(expiry)
    with boa.reverts(NAME + "in grace, only its owner renews"):
        registry.renew("alice", names.tld, YEAR, ANY, sender=bob)
    with boa.env.anchor():
        registry.setApprovalForAll(bob, True, sender=alice)
        registry.renew("alice", names.tld, YEAR, ANY, sender=bob)
        assert registry.is_live(alice_joy)
    names.at(expiry + GRACE - 1)
    assert registry.renew("alice", names.tld, YEAR, ANY, sender=alice) == expiry + YEAR
    assert registry.live_owner(alice_joy) == alice


def test_nobody_renews_a_free_name(names, registry, expiry, alice_joy, alice):
    names.at(expiry + GRACE)
    with boa.reverts(NAME + "not registered"):
        registry.renew("alice", names.tld, YEAR, ANY, sender=alice)
    with boa.reverts(NAME + "not registered"):
        registry.renew("never", names.tld, YEAR, ANY, sender=alice)


def test_renewal_in_grace_must_reach_past_now(names, registry, expiry, alice):
    names.at(expiry + MIN_DURATION)
    with boa.reverts(NAME + "duration too short"):
        registry.renew("alice", names.tld, MIN_DURATION, ANY, sender=alice)
    registry.renew("alice", names.tld, MIN_DURATION + 1, ANY, sender=alice)
    assert registry.is_live(names.node("alice"))


def test_renewal_bounds(names, registry, expiry, alice):
    for duration in (0, MIN_DURATION - 1):
        with boa.reverts(NAME + "duration too short"):
            registry.renew("alice", names.tld, duration, ANY, sender=alice)
    for duration in (MAX_TERM + 1, 2**256 - 2):  # one more is PERMANENT
        with boa.reverts(NAME + "duration too long"):
            registry.renew("alice", names.tld, duration, ANY, sender=alice)
    most = boa.env.timestamp + MAX_TERM - expiry
    with boa.reverts(NAME + "duration too long"):
        registry.renew("alice", names.tld, most + 1, ANY, sender=alice)
    with boa.reverts(NAME + "price above maximum"):
        registry.renew("alice", names.tld, most, PRICE * most - 1, sender=alice)
    registry.renew("alice", names.tld, most, PRICE * most, sender=alice)


def test_price_change_never_touches_paid_time(
    names, registry, tlds, expiry, alice_joy, alice, tld_owner
):
    prices = tlds.tld_of(names.tld).prices
    tlds.set_prices(names.tld, [2 * price for price in prices], sender=tld_owner)
    boa.env.timestamp += 7 * DAY
    assert registry.registration(alice_joy).expires_at == expiry
    assert registry.quote("alice", names.tld, YEAR) == 2 * PRICE * YEAR
    with boa.reverts(NAME + "price above maximum"):
        registry.renew("alice", names.tld, YEAR, PRICE * YEAR, sender=alice)


def test_set_resolver_is_for_the_live_owner_and_operators(
    names, registry, expiry, alice_joy, token_id, alice, bob, stranger
):
    registry.approve(bob, token_id, sender=alice)
    for account in (bob, stranger):
        with boa.reverts(TOKEN + "not the live owner"):
            registry.set_resolver(alice_joy, account, sender=account)
    registry.setApprovalForAll(bob, True, sender=alice)
    registry.set_resolver(alice_joy, stranger, sender=bob)
    assert registry.resolver(alice_joy) == stranger
    registry.set_resolver(alice_joy, ZERO, sender=alice)
    assert registry.registration(alice_joy).tld == names.tld
    names.at(expiry)
    with boa.reverts(TOKEN + "not the live owner"):
        registry.set_resolver(alice_joy, alice, sender=alice)


def test_transfer_in_grace_lets_the_buyer_renew(names, registry, expiry, token_id, alice, bob):
    names.at(expiry + GRACE - 1)
    registry.transferFrom(alice, bob, token_id, sender=alice)
    registry.renew("alice", names.tld, YEAR, ANY, sender=bob)
    assert registry.live_owner(names.node("alice")) == bob


def test_transfer_of_a_free_name_reverts(names, registry, expiry, token_id, alice, bob):
    names.at(expiry + GRACE)
    with boa.reverts(TOKEN + "no such token"):
        registry.transferFrom(alice, bob, token_id, sender=alice)
    with boa.reverts(TOKEN + "no such token"):
        registry.approve(bob, token_id, sender=alice)
    with boa.reverts(TOKEN + "no such token"):
        registry.transferFrom(ZERO, bob, names.token_id("never"), sender=bob)
