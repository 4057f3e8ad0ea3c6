"""TldRegistry: who may change what, and by how much."""

import boa
import pytest
from eth_utils import keccak

DAY = 86_400
NOTICE = 7 * DAY
MAX_PAUSE = 7 * DAY
COOLDOWN = 14 * DAY
PRICES = [2 * 10**13, 10**13, 5 * 10**12, 10**12, 3 * 10**11 + 7]
OWNER_ONLY = "ownable: caller is not the owner"
TLD_OWNER_ONLY = "TldRegistry: caller is not the TLD owner"


@pytest.fixture
def create(tlds, charter, tld_owner, owner):
    """Return a function that creates a TLD, some arguments or terms of its charter changed."""

    def _create(sender=owner, label="ai", tld_owner=tld_owner, **changed):
        terms = {"min_length": 3, "owner_bps": 2_500, "burn_bps": 500} | changed
        return tlds.create(label, tld_owner, charter(**terms), sender=sender)

    return _create


@pytest.fixture
def joy_tld(names):
    return names.tld


@pytest.fixture
def price(tlds, joy_tld, alice):
    """Return the price in force of labels of some length."""
    return lambda length: tlds.terms(joy_tld, "a" * length, alice).price


@pytest.fixture
def refusal(tlds, joy_tld, alice):
    """Return why a plain label cannot be had."""
    return lambda: tlds.terms(joy_tld, "alice", alice).refusal


def test_create_keeps_everything_under_the_eip_137_node(create, tlds, tld_owner):
    node = create()
    assert node == keccak(bytes(32) + keccak(text="ai"))
    assert tlds.count() == 2
    assert tlds.node_at(2) == node
    assert tlds.owner_of(node) == tld_owner
    assert tlds.label_of(node) == "ai"
    tld = tlds.tld_of(node)
    assert (tld.id, tld.label, tld.owner, tld.min_length) == (2, "ai", tld_owner, 3)
    assert tld.prices == tld.next_prices == PRICES
    assert (tld.treasury_bps, tld.owner_bps, tld.burn_bps) == (7_000, 2_500, 500)
    assert tld.treasury_floor_bps == 7_000


def test_eip_137_node_of_eth(create):
    """The vector that EIP-137 prints."""
    expected = "93cdeb708b7545dc668eb9280176169d1c33cfd8ed6f04690a0bcc88a93fc4ae"
    assert create(label="eth").hex() == expected


@pytest.mark.parametrize(
    "label", ["", "a", "-ai", "ai-", "Ai", "a.i", "a i", "a_i", "aé", "a\x00", "a`", "a{", "a/"]
)
def test_create_bad_label_reverts(create, label):
    with boa.reverts("TldRegistry: bad label"):
        create(label=label)


@pytest.mark.parametrize("label", ["ai", "x" * 63, "a-1", "09"])
def test_create_accepts_label(create, tlds, label):
    assert tlds.label_of(create(label=label)) == label


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"tld_owner": "0x" + "00" * 20}, "TldRegistry: zero owner"),
        ({"label": "joy"}, "TldRegistry: TLD exists"),
        ({"prices": [1, 1, 1, 1, 0]}, "TldRegistry: price out of range"),
        ({"prices": [10**18 + 1, 1, 1, 1, 1]}, "TldRegistry: price out of range"),
        ({"min_length": 0}, "TldRegistry: length out of range"),
        ({"min_length": 64}, "TldRegistry: length out of range"),
        ({"owner_bps": 10_001, "burn_bps": 0}, "TldRegistry: split over 100%"),
        ({"owner_bps": 9_000, "burn_bps": 1_001}, "TldRegistry: split over 100%"),
        ({"burn_bps": 2**256 - 1}, "TldRegistry: split over 100%"),
    ],
)
def test_create_out_of_bounds_reverts(create, changed, reason):
    with boa.reverts(reason):
        create(**changed)


def test_create_and_treasury_are_for_the_owner(create, tlds, tld_owner, stranger):
    for account in (tld_owner, stranger):
        with boa.reverts(OWNER_ONLY):
            create(sender=account)
        with boa.reverts(OWNER_ONLY):
            tlds.set_treasury(account, sender=account)


def test_zero_treasury_reverts(deploy, tlds, owner):
    zero = "0x" + "00" * 20
    with boa.reverts("TldRegistry: zero treasury"):
        tlds.set_treasury(zero, sender=owner)
    with boa.reverts("TldRegistry: zero treasury"):
        deploy("domains/TldRegistry.vy", zero)


def test_registry_owner_cannot_touch_a_tld(tlds, joy_tld, owner):
    for call in (
        lambda: tlds.set_prices(joy_tld, PRICES, sender=owner),
        lambda: tlds.set_split(joy_tld, 0, 0, sender=owner),
        lambda: tlds.set_lengths(joy_tld, 2, 63, sender=owner),
        lambda: tlds.propose_owner(joy_tld, owner, sender=owner),
    ):
        with boa.reverts(TLD_OWNER_ONLY):
            call()


def test_terms_pick_the_band(tlds, joy_tld, alice):
    for length in range(1, 64):
        terms = tlds.terms(joy_tld, "a" * length, alice)
        assert terms.price == PRICES[min(length, 5) - 1]
        assert (terms.id, terms.length, terms.refusal) == (1, length, "")
        assert (terms.owner_bps, terms.burn_bps) == (4_000, 1_000)


def test_terms_say_why_not_and_never_revert(tlds, joy_tld, tld_owner, alice):
    def refusal(label, who=alice, tld=joy_tld):
        return tlds.terms(tld, label, who).refusal

    assert refusal("alice") == ""
    assert refusal("alice", tld=b"\1" * 32) == "TldRegistry: unknown TLD"
    assert refusal("a.b") == refusal("") == refusal("Alice") == "TldRegistry: bad label"
    tlds.set_lengths(joy_tld, 3, 5, sender=tld_owner)
    assert refusal("ab") == "TldRegistry: label too short"
    assert refusal("abcdef") == "TldRegistry: label too long"
    assert refusal("日本語") == refusal("abcde") == ""
    tlds.set_reserved(joy_tld, ["bank", "alice"], True, sender=tld_owner)
    assert refusal("bank") == refusal("bank", "0x" + "00" * 20) == "TldRegistry: label reserved"
    assert refusal("bank", tld_owner) == ""
    tlds.pause_tld(joy_tld, sender=tld_owner)
    assert refusal("abcde") == refusal("bank", tld_owner) == "TldRegistry: TLD paused"


def test_unknown_tld_has_empty_terms(tlds, alice):
    terms = tlds.terms(b"\1" * 32, "alice", alice)
    assert (terms.id, terms.price, terms.refusal) == (0, 0, "TldRegistry: unknown TLD")
    assert tlds.tld_of(b"\1" * 32).id == 0
    assert tlds.owner_of(b"\1" * 32) == "0x" + "00" * 20


def test_prices_change_after_notice_at_the_exact_second(tlds, joy_tld, price, tld_owner):
    doubled = [2 * wei for wei in PRICES]
    tlds.set_prices(joy_tld, doubled, sender=tld_owner)
    boa.env.timestamp += NOTICE - 1
    assert price(5) == PRICES[4]
    assert tlds.tld_of(joy_tld).prices == PRICES
    boa.env.timestamp += 1
    assert price(5) == doubled[4]
    assert tlds.tld_of(joy_tld).prices == doubled


def test_price_bounds_are_those_of_the_price_in_force(tlds, joy_tld, price, tld_owner):
    for band in range(5):
        high, low = list(PRICES), list(PRICES)
        high[band] = 2 * PRICES[band] + 1
        low[band] = (PRICES[band] + 1) // 2 - 1
        with boa.reverts("TldRegistry: price rises too much"):
            tlds.set_prices(joy_tld, high, sender=tld_owner)
        with boa.reverts("TldRegistry: price falls too much"):
            tlds.set_prices(joy_tld, low, sender=tld_owner)
    doubled = [2 * wei for wei in PRICES]
    tlds.set_prices(joy_tld, doubled, sender=tld_owner)
    # An announcement is no base for the next one, and replacing it starts the notice anew.
    with boa.reverts("TldRegistry: price rises too much"):
        tlds.set_prices(joy_tld, [4 * wei for wei in PRICES], sender=tld_owner)
    boa.env.timestamp += NOTICE - 1
    tlds.set_prices(joy_tld, doubled, sender=tld_owner)
    boa.env.timestamp += 1
    assert price(1) == PRICES[0]
    boa.env.timestamp += NOTICE - 1
    tlds.set_prices(joy_tld, [4 * wei for wei in PRICES], sender=tld_owner)
    assert price(1) == 2 * PRICES[0]


def test_price_range_holds_for_changes(tlds, create, tld_owner):
    node = create(prices=[10**18, 1, 1, 1, 1])
    with boa.reverts("TldRegistry: price out of range"):
        tlds.set_prices(node, [10**18 + 1, 1, 1, 1, 1], sender=tld_owner)
    with boa.reverts("TldRegistry: price out of range"):
        tlds.set_prices(node, [10**18, 0, 1, 1, 1], sender=tld_owner)


def test_split_never_cuts_the_treasury_below_its_floor(tlds, joy_tld, tld_owner):
    tlds.set_split(joy_tld, 5_000, 0, sender=tld_owner)
    tlds.set_split(joy_tld, 0, 0, sender=tld_owner)
    assert tlds.tld_of(joy_tld).treasury_bps == 10_000
    with boa.reverts("TldRegistry: treasury below its floor"):
        tlds.set_split(joy_tld, 5_001, 0, sender=tld_owner)
    with boa.reverts("TldRegistry: treasury below its floor"):
        tlds.set_split(joy_tld, 0, 5_001, sender=tld_owner)
    with boa.reverts("TldRegistry: split over 100%"):
        tlds.set_split(joy_tld, 2**256 - 1, 2, sender=tld_owner)


def test_lengths_are_bounded(tlds, joy_tld, tld_owner):
    tlds.set_lengths(joy_tld, 63, 63, sender=tld_owner)
    assert tlds.tld_of(joy_tld).min_length == tlds.tld_of(joy_tld).max_length == 63
    for lengths in ((0, 63), (1, 64), (5, 4), (2**255, 2**256 - 1)):
        with boa.reverts("TldRegistry: length out of range"):
            tlds.set_lengths(joy_tld, *lengths, sender=tld_owner)


def test_permanence_is_bounded_and_can_end(tlds, joy_tld, tld_owner):
    for years in (10, 200, 0):
        tlds.set_permanence(joy_tld, years * 365 * DAY, sender=tld_owner)
        assert tlds.tld_of(joy_tld).permanent_term == years * 365 * DAY
    for seconds in (1, 10 * 365 * DAY - 1, 200 * 365 * DAY + 1, 2**256 - 1):
        with boa.reverts("TldRegistry: permanent term out of range"):
            tlds.set_permanence(joy_tld, seconds, sender=tld_owner)


def test_premium_halves_every_day_and_ends_at_zero(tlds, joy_tld, tld_owner):
    start, freed = 1_000 * 10**18, boa.env.timestamp + 100
    with boa.reverts("TldRegistry: premium out of range"):
        tlds.set_premium(joy_tld, 10**27 + 1, sender=tld_owner)
    tlds.set_premium(joy_tld, start, sender=tld_owner)
    end = start >> 21
    last = 2**256
    for hours in range(22 * 24):
        boa.env.timestamp = freed + hours * 3_600
        premium = tlds.premium(joy_tld, freed)
        assert premium < last or premium == last == 0
        if hours % 24 == 0:
            assert premium == max((start >> hours // 24) - end, 0)
        last = premium
    assert tlds.premium(joy_tld, boa.env.timestamp + 1) == start - end
    assert tlds.premium(joy_tld, 0) == tlds.premium(b"\1" * 32, boa.env.timestamp) == 0


def test_reserved_words_can_be_released(tlds, joy_tld, refusal, tld_owner):
    tlds.set_reserved(joy_tld, ["alice"], True, sender=tld_owner)
    (event,) = tlds.get_logs()
    assert (event.label, event.label_hash, event.is_reserved) == (
        "alice",
        keccak(text="alice"),
        True,
    )
    assert tlds.is_reserved(joy_tld, "alice")
    tlds.set_reserved(joy_tld, ["alice"], False, sender=tld_owner)
    assert not tlds.is_reserved(joy_tld, "alice")
    assert refusal() == ""


def test_a_charter_is_amended_by_its_owner_only(tlds, joy_tld, owner, stranger):
    for account in (owner, stranger):
        for call in (
            lambda by: tlds.set_lengths(joy_tld, 2, 63, sender=by),
            lambda by: tlds.set_permanence(joy_tld, 0, sender=by),
            lambda by: tlds.set_premium(joy_tld, 0, sender=by),
            lambda by: tlds.set_keeps_price(joy_tld, True, sender=by),
            lambda by: tlds.set_reserved(joy_tld, ["x"], True, sender=by),
        ):
            with boa.reverts(TLD_OWNER_ONLY):
                call(account)


def test_tld_changes_hands_in_two_steps(tlds, joy_tld, tld_owner, alice, stranger):
    with boa.reverts("TldRegistry: not the proposed owner"):
        tlds.accept_owner(joy_tld, sender=stranger)
    tlds.propose_owner(joy_tld, alice, sender=tld_owner)
    assert tlds.tld_of(joy_tld).pending_owner == alice
    with boa.reverts("TldRegistry: not the proposed owner"):
        tlds.accept_owner(joy_tld, sender=stranger)
    tlds.accept_owner(joy_tld, sender=alice)
    assert tlds.owner_of(joy_tld) == alice
    with boa.reverts(TLD_OWNER_ONLY):
        tlds.set_lengths(joy_tld, 2, 63, sender=tld_owner)
    with boa.reverts("TldRegistry: not the proposed owner"):
        tlds.accept_owner(joy_tld, sender=alice)


def test_withdrawn_offer_of_a_tld_cannot_be_accepted(tlds, joy_tld, tld_owner, alice):
    tlds.propose_owner(joy_tld, alice, sender=tld_owner)
    tlds.propose_owner(joy_tld, "0x" + "00" * 20, sender=tld_owner)
    with boa.reverts("TldRegistry: not the proposed owner"):
        tlds.accept_owner(joy_tld, sender=alice)


def test_pause_expires_cools_down_and_ends_early(tlds, joy_tld, refusal, tld_owner, owner):
    tlds.pause_tld(joy_tld, sender=tld_owner)
    assert tlds.tld_of(joy_tld).paused_until == boa.env.timestamp + MAX_PAUSE
    with boa.reverts("TldRegistry: cooling down"):
        tlds.pause_tld(joy_tld, sender=owner)
    boa.env.timestamp += MAX_PAUSE - 1
    assert refusal() == "TldRegistry: TLD paused"
    boa.env.timestamp += 1
    assert refusal() == ""
    with boa.reverts("TldRegistry: not paused"):
        tlds.unpause_tld(joy_tld, sender=tld_owner)
    boa.env.timestamp += COOLDOWN - 1
    with boa.reverts("TldRegistry: cooling down"):
        tlds.pause_tld(joy_tld, sender=tld_owner)
    boa.env.timestamp += 1
    tlds.pause_tld(joy_tld, sender=owner)
    tlds.unpause_tld(joy_tld, sender=tld_owner)
    assert refusal() == ""


def test_pause_by_stranger_or_of_unknown_tld_reverts(tlds, joy_tld, stranger, owner):
    with boa.reverts("TldRegistry: caller may not pause"):
        tlds.pause_tld(joy_tld, sender=stranger)
    with boa.reverts("TldRegistry: caller may not pause"):
        tlds.unpause_tld(joy_tld, sender=stranger)
    with boa.reverts("TldRegistry: unknown TLD"):
        tlds.pause_tld(b"\1" * 32, sender=owner)


def test_one_change_leaves_the_other_terms_alone(tlds, joy_tld, tld_owner):
    """All of them share a packed word."""
    tlds.set_prices(joy_tld, [2 * wei for wei in PRICES], sender=tld_owner)
    tlds.pause_tld(joy_tld, sender=tld_owner)
    known = tlds.tld_of(joy_tld)
    split = {"owner_bps": 0, "burn_bps": 0, "treasury_bps": 10_000}
    changes = (
        (lambda: tlds.set_lengths(joy_tld, 62, 63, sender=tld_owner), {"min_length": 62}),
        (lambda: tlds.set_split(joy_tld, 0, 0, sender=tld_owner), split),
        (lambda: tlds.set_permanence(joy_tld, 0, sender=tld_owner), {"permanent_term": 0}),
        (lambda: tlds.set_keeps_price(joy_tld, True, sender=tld_owner), {"keeps_price": True}),
        (lambda: tlds.set_premium(joy_tld, 10**27, sender=tld_owner), {"premium_start": 10**27}),
    )
    for change, fields in changes:
        change()
        known = known._replace(**fields)
        assert tlds.tld_of(joy_tld) == known
