"""What a charter does to names: premiums, permanence, reserved words, and what it may not touch."""

import boa
import pytest

DAY = 86_400
YEAR = 365 * DAY
GRACE = 30 * DAY
MIN_AGE = 10
PERMANENT = 2**256 - 1
PERMANENT_TERM = 25 * YEAR
PERMANENT_EXPIRY = 2**48 - 1
PRICE = 3 * 10**11 + 7
ANY = 2**256 - 1
START = 1_000 * 10**18
ZERO = "0x" + "00" * 20
NAME = "PermaNetDomainRegistry: "


def test_permanent_name_is_paid_once_and_never_ends(
    names, registry, resolver, joy, tlds, alice, bob, tld_owner
):
    assert registry.quote("alice", names.tld, PERMANENT) == PRICE * PERMANENT_TERM
    before = joy.balanceOf(alice)
    node = names.register("alice", alice, duration=PERMANENT)
    assert before - joy.balanceOf(alice) == PRICE * PERMANENT_TERM
    assert registry.registration(node).expires_at == registry.PERMANENT_EXPIRY()
    # Ending the offer, or a thousand years, change nothing.
    tlds.set_permanence(names.tld, 0, sender=tld_owner)
    boa.env.timestamp += 1_000 * YEAR
    assert registry.live_owner(node) == alice
    resolver.set_payto(node, bob, sender=alice)
    for duration in (YEAR, PERMANENT):
        with boa.reverts(NAME + "name is permanent"):
            registry.renew("alice", names.tld, duration, ANY, sender=alice)
    registry.transferFrom(alice, bob, names.token_id("alice"), sender=alice)
    assert registry.live_owner(node) == bob


def test_a_name_becomes_permanent_by_renewal(names, registry, joy, alice_joy, alice, bob):
    expiry = registry.registration(alice_joy).expires_at
    price = registry.quote("alice", names.tld, PERMANENT)
    with boa.reverts(NAME + "price above maximum"):
        registry.renew("alice", names.tld, PERMANENT, price - 1, sender=bob)
    with boa.env.anchor():
        names.at(expiry)
        with boa.reverts(NAME + "in grace, only its owner renews"):
            registry.renew("alice", names.tld, PERMANENT, price, sender=bob)
    assert registry.renew("alice", names.tld, PERMANENT, price, sender=bob) == PERMANENT_EXPIRY
    assert registry.live_owner(alice_joy) == alice


def test_no_permanence_where_the_charter_offers_none(names, registry, tlds, alice, tld_owner):
    names.register("alice", alice)
    tlds.set_permanence(names.tld, 0, sender=tld_owner)
    refused = NAME + "no permanent names here"
    for label in ("alice", "other"):
        with boa.reverts(refused):
            registry.quote(label, names.tld, PERMANENT)
    with boa.reverts(refused):
        registry.renew("alice", names.tld, PERMANENT, ANY, sender=alice)
    request = names.request("other", alice, duration=PERMANENT)
    names.commit(request, sender=alice)
    names.age()
    with boa.reverts(refused):
        names.reveal(request, sender=alice)


def test_premium_of_a_lapsed_name_decays_and_only_there(
    names, registry, tlds, joy, alice_joy, alice, bob, tld_owner
):
    tlds.set_premium(names.tld, START, sender=tld_owner)
    expiry, rent = registry.registration(alice_joy).expires_at, PRICE * YEAR
    assert registry.quote("alice", names.tld, YEAR) == rent  # live: a renewal
    assert registry.quote("other", names.tld, YEAR) == rent  # never registered
    names.at(expiry + GRACE - 1)
    assert registry.quote("alice", names.tld, YEAR) == rent
    request = names.request("alice", bob)
    names.at(expiry + GRACE)
    assert registry.quote("alice", names.tld, YEAR) == rent + START - (START >> 21)
    names.commit(request, sender=bob)
    names.at(expiry + GRACE + DAY)
    price = registry.quote("alice", names.tld, YEAR)
    assert price == rent + START // 2 - (START >> 21)
    before = joy.balanceOf(bob)
    with boa.reverts(NAME + "price above maximum"):
        registry.register(request, price - 1, sender=bob)
    registry.register(request, price, sender=bob)
    assert (
        before - joy.balanceOf(bob) == price == registry.unsettled(names.tld, 4_000, 1_000) - rent
    )
    assert registry.quote("alice", names.tld, YEAR) == rent
    names.at(registry.registration(alice_joy).expires_at + GRACE + 21 * DAY)
    assert registry.quote("alice", names.tld, YEAR) == rent


def test_reserved_word_goes_to_the_tld_owner_only(
    names, registry, tlds, fund, joy, alice, tld_owner
):
    tlds.set_reserved(names.tld, ["bank"], True, sender=tld_owner)
    reason = "TldRegistry: label reserved"
    assert not registry.available("bank", names.tld)
    assert registry.refusal("bank", names.tld, alice) == reason
    assert registry.refusal("bank", names.tld, tld_owner) == ""
    request = names.request("bank", alice)
    names.commit(request, sender=alice)
    names.age()
    with boa.reverts(reason):
        names.reveal(request, sender=alice)
    node = names.register("bank", tld_owner, sender=alice)
    assert registry.live_owner(node) == tld_owner
    assert registry.refusal("bank", names.tld, tld_owner) == NAME + "name taken"


def test_kept_price_outlives_every_amendment(names, registry, tlds, alice, bob, tld_owner):
    """Alice registers under the promise, Bob after it was ended; then prices double."""
    tlds.set_keeps_price(names.tld, True, sender=tld_owner)
    kept = names.register("alice", alice)
    tlds.set_keeps_price(names.tld, False, sender=tld_owner)
    free = names.register("bobby", bob)
    assert registry.registration(kept).price_cap == PRICE
    assert registry.registration(free).price_cap == 0
    prices = tlds.tld_of(names.tld).prices
    tlds.set_prices(names.tld, [2 * price for price in prices], sender=tld_owner)
    boa.env.timestamp += 7 * DAY
    assert registry.quote("alice", names.tld, YEAR) == PRICE * YEAR
    assert registry.quote("alice", names.tld, PERMANENT) == PRICE * PERMANENT_TERM
    assert registry.quote("bobby", names.tld, YEAR) == 2 * PRICE * YEAR
    registry.renew("alice", names.tld, YEAR, PRICE * YEAR, sender=bob)
    # The promise is the name's, not Alice's; it ends when the name lapses.
    registry.transferFrom(alice, bob, names.token_id("alice"), sender=alice)
    registry.renew("alice", names.tld, YEAR, PRICE * YEAR, sender=bob)
    names.at(registry.registration(kept).expires_at + GRACE)
    assert registry.registration(kept).price_cap == 0
    assert registry.quote("alice", names.tld, YEAR) == 2 * PRICE * YEAR


def test_a_cap_is_no_floor(names, registry, tlds, alice, tld_owner):
    tlds.set_keeps_price(names.tld, True, sender=tld_owner)
    names.register("alice", alice)
    halves = [-(-price // 2) for price in tlds.tld_of(names.tld).prices]
    tlds.set_prices(names.tld, halves, sender=tld_owner)
    boa.env.timestamp += 7 * DAY
    assert registry.quote("alice", names.tld, YEAR) == halves[4] * YEAR


def test_dearest_price_fits_beside_the_resolver(names, registry, tlds, charter, owner, alice, fund):
    """Cap, TLD id and resolver share a word."""
    terms = charter(prices=[10**18] * 5, keeps_price=True)
    names.tld = tlds.create("dear", alice, terms, sender=owner)
    fund(alice, 100_000_000 * 10**18)
    node = names.register("alice", alice, duration=28 * DAY)
    found = registry.registration(node)
    assert (found.price_cap, found.tld, found.resolver) == (
        10**18,
        names.tld,
        names.resolver.address,
    )
    registry.set_resolver(node, ZERO, sender=alice)
    assert registry.registration(node) == found._replace(resolver=ZERO)


def test_amendments_never_close_a_renewal(names, registry, tlds, guardian, alice, tld_owner):
    names.register("alice", alice)
    tlds.set_lengths(names.tld, 63, 63, sender=tld_owner)
    tlds.set_reserved(names.tld, ["alice"], True, sender=tld_owner)
    tlds.pause_tld(names.tld, sender=tld_owner)
    registry.pause(sender=guardian)
    registry.renew("alice", names.tld, YEAR, PRICE * YEAR, sender=alice)


@pytest.mark.parametrize(
    ("label", "reason"),
    [("a.b", "TldRegistry: bad label"), ("taken", NAME + "name taken"), ("free", "")],
)
def test_refusal_is_what_register_would_say(names, registry, alice, bob, label, reason):
    names.register("taken", alice)
    assert registry.refusal(label, names.tld, bob) == reason
    assert registry.available(label, names.tld) == (not reason)
    request = names.request(label, bob)
    names.commit(request, sender=bob)
    names.age()
    if reason:
        with boa.reverts(reason):
            names.reveal(request, sender=bob)
    else:
        names.reveal(request, sender=bob)


def test_refusal_in_a_pause(names, registry, guardian, alice):
    registry.pause(sender=guardian)
    assert registry.refusal("alice", names.tld, alice) == "circuit_breaker: paused"


def test_commitment_ages_in_blocks_too(names, registry, alice):
    """On slow blocks the seconds pass at once: the blocks must pass as well."""
    request = names.request("alice", alice)
    commitment = names.commit(request, sender=alice)
    assert not registry.can_reveal(commitment)
    boa.env.timestamp += MIN_AGE
    boa.env.evm.patch.block_number += 1
    assert not registry.can_reveal(commitment)
    with boa.reverts(NAME + "commitment too young"):
        names.reveal(request, sender=alice)
    boa.env.evm.patch.block_number += 1
    assert registry.can_reveal(commitment)
    with boa.env.anchor():
        boa.env.timestamp += DAY
        assert not registry.can_reveal(commitment)
    names.reveal(request, sender=alice)
    assert not registry.can_reveal(commitment)


def test_whoever_sees_a_reveal_cannot_overtake_it(names, registry, alice, bob):
    """Bob reads Alice's reveal in the pool, and blocks are slower than the commit age: even if
    he holds her transaction up for one block, his own commitment is too young."""
    request = names.request("alice", alice)
    names.commit(request, sender=alice)
    names.age()
    copy = names.request("alice", bob, secret=b"\7" * 32)
    names.commit(copy, sender=bob)
    boa.env.timestamp += 12  # the next block
    boa.env.evm.patch.block_number += 1
    with boa.reverts(NAME + "commitment too young"):
        names.reveal(copy, sender=bob)
    names.reveal(request, sender=alice)
    boa.env.timestamp += 12
    boa.env.evm.patch.block_number += 1
    with boa.reverts(NAME + "name taken"):
        names.reveal(copy, sender=bob)


def test_metadata_updates_are_announced(names, registry, alice_joy, alice):
    for call in (
        lambda: registry.renew("alice", names.tld, YEAR, ANY, sender=alice),
        lambda: registry.renew("alice", names.tld, PERMANENT, ANY, sender=alice),
    ):
        call()
        updates = [log for log in registry.get_logs() if type(log).__name__ == "MetadataUpdate"]
        assert [log[-1] for log in updates] == [names.token_id("alice")]
