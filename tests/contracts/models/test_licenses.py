"""ModelLicenses: terms, sales, keys, refunds, renewals, and where the money goes."""

import boa
import pytest

from .conftest import (
    BUYER_SECRET,
    DAY,
    DISPUTE_WINDOW,
    EPHEMERAL_SECRET,
    KEY_HASH,
    LINK_DELAY,
    RELEASE_WINDOW,
    ZERO,
    public_key,
)

AWAITING, RELEASED, SETTLED, REFUNDED, VOID = range(1, 6)
ME = "ModelLicenses: "


def later(seconds):
    boa.env.time_travel(seconds=seconds)


# Construction


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"joy": ZERO}, "zero token"),
        ({"release_window": 59}, "window too short"),
        ({"dispute_window": 59}, "window too short"),
        ({"release_window": 30 * DAY + 1}, "window too long"),
        ({"dispute_window": 30 * DAY + 1}, "window too long"),
        ({"fee_bps": 501}, "fee too high"),
    ],
)
def test_bad_constructor_arguments_revert(deploy_licenses, changed, reason):
    with boa.reverts(ME + reason):
        deploy_licenses(**changed)


def test_edges_of_the_constructor(deploy_licenses):
    short = deploy_licenses(release_window=60, dispute_window=60, fee_bps=0)
    assert (short.RELEASE_WINDOW(), short.DISPUTE_WINDOW(), short.FEE_BPS()) == (60, 60, 0)
    long = deploy_licenses(release_window=30 * DAY, dispute_window=30 * DAY, fee_bps=500)
    assert long.FEE_BPS() == long.MAX_FEE_BPS() == 500


# Terms


def test_terms_are_shown_and_announced(shop, listed, publisher, actor):
    holder = actor("key holder")
    model_id = listed(1)
    assert shop.licenses.terms_digest(model_id) == bytes(32)
    terms = (2**96 - 1, 36_525 * DAY, KEY_HASH, holder, True, True, 1_000)
    shop.licenses.set_terms(model_id, terms, sender=publisher)
    (event,) = shop.licenses.get_logs()
    assert tuple(shop.licenses.terms(model_id)) == tuple(event.terms) == terms
    assert shop.licenses.terms_digest(model_id) == event.digest == shop.digest(model_id)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"price": 2**96}, "price too high"),
        ({"period": 1}, "period too short"),
        ({"period": DAY - 1}, "period too short"),
        ({"period": 36_525 * DAY + 1}, "period too long"),
        ({"resale_bps": 1_001}, "resale part too big"),
    ],
)
def test_terms_out_of_bounds_revert(shop, listed, changed, reason):
    with boa.reverts(ME + reason):
        shop.offer(listed(1), **changed)


def test_only_the_publisher_sets_terms(shop, listed, stranger, model):
    with boa.reverts(ME + "caller is not the publisher"):
        shop.offer(listed(1), by=stranger)
    with boa.reverts(ME + "caller is not the publisher"):
        shop.offer(model(9))


def test_key_hash_is_fixed_once_it_is_set(shop, listed):
    model_id = shop.offer(listed(1))
    shop.offer(model_id, key_hash=KEY_HASH)
    shop.offer(model_id, key_hash=KEY_HASH, price=7)
    for other in (bytes(32), b"\x01" * 32):
        with boa.reverts(ME + "key hash is fixed"):
            shop.offer(model_id, key_hash=other)


# Buying an open model


def test_open_model_is_valid_and_paid_at_once(shop, market, open_model, client):
    license_id = shop.buy(open_model, client)
    bought = shop.licenses.license(license_id)
    assert (license_id, shop.licenses.license_count()) == (1, 1)
    assert (bought.owner, bought.state, bought.is_valid) == (client, SETTLED, True)
    assert bought.expires_at == boa.env.timestamp + 30 * DAY
    assert (bought.escrow, bought.deadline, bought.model_id) == (0, 0, open_model)
    assert market.account_of(open_model) == 975
    assert shop.licenses.pending_fees() == 25 == shop.joy.balanceOf(shop.licenses)
    assert shop.joy.allowance(shop.licenses, market) == 0
    assert market.usage_of(open_model) == (0, 0)  # a sale is not a call


def test_licence_ends_at_its_expiry(shop, open_model, client):
    license_id = shop.buy(open_model, client)
    later(30 * DAY - 1)
    assert shop.licenses.holds(open_model, client)
    later(1)
    assert not shop.licenses.holds(open_model, client)
    assert not shop.licenses.license(license_id).is_valid
    assert shop.licenses.license_of(open_model, client) == license_id


def test_licence_for_ever(shop, listed, client):
    model_id = shop.offer(listed(1))
    license_id = shop.buy(model_id, client)
    later(40_000 * DAY)
    assert shop.licenses.holds(model_id, client)
    assert shop.licenses.license(license_id).expires_at == 0


def test_free_licences(shop, market, listed, client):
    open_model = shop.offer(listed(1), price=0)
    shop.buy(open_model, client)
    sealed = shop.offer(listed(2), price=0, key_hash=KEY_HASH)
    license_id = shop.buy(sealed, client)
    shop.release(license_id)
    later(DISPUTE_WINDOW)
    shop.licenses.settle(license_id)
    assert shop.licenses.holds(open_model, client)
    assert shop.licenses.holds(sealed, client)
    assert market.account_of(sealed) == shop.licenses.pending_fees() == 0


def test_no_offer_no_sale(shop, listed, client):
    model_id = listed(1)
    with boa.reverts(ME + "no licences on offer"):
        shop.licenses.buy(model_id, bytes(32), bytes(32), sender=client)


@pytest.mark.parametrize(
    "changed",
    [
        {"price": 1_001},
        {"price": 999},
        {"period": DAY},
        {"key_holder": "0x" + "11" * 20},
        {"is_required": True},
        {"is_transferable": False},
        {"resale_bps": 0},
        {"key_hash": KEY_HASH},
    ],
)
def test_no_term_can_change_between_quote_and_purchase(shop, listed, client, changed):
    model_id = shop.offer(listed(1))
    seen = shop.digest(model_id)
    shop.offer(model_id, **changed)
    with boa.reverts(ME + "terms changed"):
        shop.licenses.buy(model_id, bytes(32), seen, sender=client)


def test_digest_of_another_model_is_refused(shop, listed, client):
    one, two = shop.offer(listed(1)), shop.offer(listed(2))
    with boa.reverts(ME + "terms changed"):
        shop.licenses.buy(one, bytes(32), shop.digest(two), sender=client)


def test_delisted_model_sells_no_more_and_held_licences_stay(
    shop, market, open_model, sealed, client, publisher
):
    license_id = shop.buy(open_model, client)
    waiting = shop.buy(sealed, client)
    market.delist(open_model, sender=publisher)
    market.delist(sealed, sender=publisher)
    for model_id, key in ((open_model, bytes(32)), (sealed, public_key(BUYER_SECRET))):
        with boa.reverts(ME + "model is not listed"):
            shop.licenses.buy(model_id, key, shop.digest(model_id), sender=client)
    with boa.reverts(ME + "model is not listed"):
        shop.renew(license_id, client)
    assert shop.licenses.holds(open_model, client)
    shop.release(waiting)
    later(DISPUTE_WINDOW)
    shop.licenses.settle(waiting)
    assert shop.licenses.holds(sealed, client)


def test_buyer_key_is_for_sealed_models_and_for_them_all(shop, sealed, open_model, client):
    reason = ME + "a buyer key is for sealed models, and for them all"
    for model_id, key in ((sealed, bytes(32)), (open_model, b"\x01" * 32)):
        shop.pay(client, model_id)
        with boa.reverts(reason):
            shop.licenses.buy(model_id, key, shop.digest(model_id), sender=client)


def test_buying_without_money_reverts_and_leaves_nothing(shop, open_model, stranger):
    with boa.reverts():
        shop.licenses.buy(open_model, bytes(32), shop.digest(open_model), sender=stranger)
    assert shop.licenses.license_count() == 0
    assert not shop.licenses.holds(open_model, stranger)


def test_paused_contract_sells_nothing(shop, open_model, client, guardian):
    license_id = shop.buy(open_model, client)
    shop.licenses.pause(sender=guardian)
    with boa.reverts("circuit_breaker: paused"):
        shop.buy(open_model, client)
    with boa.reverts("circuit_breaker: paused"):
        shop.renew(license_id, client)


# Sealed models


def test_money_of_a_sealed_model_waits(shop, market, sealed, bought, client):
    record = shop.licenses.license(bought)
    assert (record.state, record.escrow, record.is_valid) == (AWAITING, 1_000, False)
    assert record.deadline == boa.env.timestamp + RELEASE_WINDOW
    assert record.buyer_key == public_key(BUYER_SECRET)
    assert not shop.licenses.holds(sealed, client)
    assert shop.licenses.license_of(sealed, client) == bought
    assert (market.account_of(sealed), shop.joy.balanceOf(shop.licenses)) == (0, 1_000)


def test_release_starts_the_period_and_the_dispute_window(shop, listed, client):
    model_id = shop.offer(listed(1), key_hash=KEY_HASH, period=DAY)
    license_id = shop.buy(model_id, client)
    later(RELEASE_WINDOW - 1)
    shop.release(license_id)
    record = shop.licenses.license(license_id)
    assert (record.state, record.is_valid, record.escrow) == (RELEASED, True, 1_000)
    assert record.expires_at == boa.env.timestamp + DAY
    assert record.deadline == boa.env.timestamp + DISPUTE_WINDOW
    assert (record.ephemeral, record.wrapped) == shop.wrap(license_id)
    assert shop.licenses.holds(model_id, client)


def test_key_holder_releases_too(shop, listed, client, actor, stranger):
    holder = actor("key holder")
    model_id = shop.offer(listed(1), key_hash=KEY_HASH, key_holder=holder)
    license_id = shop.buy(model_id, client)
    with boa.reverts(ME + "caller is not the publisher or key holder"):
        shop.release(license_id, by=stranger)
    shop.release(license_id, by=holder)
    assert shop.licenses.license(license_id).state == RELEASED


def test_release_is_refused_from_the_deadline_on(shop, bought):
    later(RELEASE_WINDOW)
    with boa.reverts(ME + "release deadline passed"):
        shop.release(bought)


def test_zero_ephemeral_key_is_refused(shop, bought, publisher):
    with boa.reverts(ME + "zero ephemeral key"):
        shop.licenses.release(bought, bytes(32), b"\x01" * 32, sender=publisher)


def test_settled_after_the_window_by_anyone(shop, market, released, sealed, stranger, client):
    later(DISPUTE_WINDOW - 1)
    with boa.reverts(ME + "dispute window is open"):
        shop.licenses.settle(released)
    later(1)
    shop.licenses.settle(released, sender=stranger)
    assert shop.licenses.license(released).state == SETTLED
    assert (market.account_of(sealed), shop.licenses.pending_fees()) == (975, 25)
    assert shop.licenses.holds(sealed, client)


def test_publisher_who_never_releases_is_not_paid(shop, market, bought, sealed, client, stranger):
    later(RELEASE_WINDOW - 1)
    with boa.reverts(ME + "key can still be released"):
        shop.licenses.refund(bought)
    later(1)
    shop.licenses.refund(bought, sender=stranger)
    assert shop.licenses.license(bought).state == REFUNDED
    assert shop.licenses.withdrawable(client) == 1_000
    assert shop.licenses.withdraw(sender=client) == 1_000 == shop.joy.balanceOf(client)
    assert market.account_of(sealed) == shop.joy.balanceOf(shop.licenses) == 0
    with boa.reverts("license_tokens: no such licence"):
        shop.licenses.ownerOf(bought)


def test_every_step_refuses_the_other_states(shop, bought, publisher, client):
    steps = {
        "no key is awaited": [
            lambda: shop.licenses.refund(bought),
            lambda: shop.licenses.release(bought, b"\x01" * 32, bytes(32), sender=publisher),
        ],
        "no key to settle or dispute": [
            lambda: shop.licenses.settle(bought),
            lambda: shop.licenses.dispute(bought, BUYER_SECRET, sender=client),
        ],
        "licence is not settled": [lambda: shop.renew(bought, client)],
    }

    def refused(reason):
        for step in steps[reason]:
            with boa.reverts(ME + reason):
                step()

    refused("no key to settle or dispute")
    refused("licence is not settled")
    shop.release(bought)
    refused("no key is awaited")
    refused("licence is not settled")
    later(DISPUTE_WINDOW)
    shop.licenses.settle(bought)
    refused("no key is awaited")
    refused("no key to settle or dispute")


def test_unknown_licence_reverts(shop, publisher, client):
    calls = [
        lambda: shop.licenses.settle(1),
        lambda: shop.licenses.refund(1),
        lambda: shop.licenses.dispute(1, bytes(32), sender=client),
        lambda: shop.licenses.release(1, b"\x01" * 32, bytes(32), sender=publisher),
        lambda: shop.licenses.renew(1, bytes(32)),
    ]
    for call in calls:
        with boa.reverts(ME + "no such licence"):
            call()
    assert shop.licenses.license(1).state == 0


def test_pause_stops_the_clocks_and_no_exit(shop, sealed, client, guardian):
    late, early = shop.buy(sealed, client), shop.buy(sealed, client)
    shop.release(early)
    later(DAY // 2)
    shop.licenses.pause(sender=guardian)
    assert shop.licenses.license(late).deadline == boa.env.timestamp + RELEASE_WINDOW - DAY // 2
    later(3 * DAY)  # the pause expires
    assert shop.licenses.license(late).deadline == boa.env.timestamp + RELEASE_WINDOW - DAY // 2
    with boa.reverts(ME + "dispute window is open"):
        shop.licenses.settle(early)
    shop.release(late)
    later(DAY // 2)
    shop.licenses.settle(early)


def test_exits_work_while_paused(shop, sealed, client, guardian):
    first, second = shop.buy(sealed, client), shop.buy(sealed, client)
    shop.release(second)
    third = shop.buy(sealed, client)
    later(RELEASE_WINDOW)
    shop.licenses.pause(sender=guardian)
    shop.licenses.settle(second)
    shop.licenses.refund(first)
    shop.licenses.refund(third)
    assert shop.licenses.withdraw_for(client) == 2_000


# Renewal


def test_renewal_adds_a_period(shop, market, open_model, client, stranger):
    license_id = shop.buy(open_model, client)
    end = boa.env.timestamp + 30 * DAY
    later(DAY)
    shop.renew(license_id, stranger)  # a gift
    assert shop.licenses.license(license_id).expires_at == end + 30 * DAY
    assert market.account_of(open_model) == 2 * 975
    later(100 * DAY)
    assert not shop.licenses.holds(open_model, client)
    shop.renew(license_id, client)
    assert shop.licenses.license(license_id).expires_at == boa.env.timestamp + 30 * DAY
    assert shop.licenses.holds(open_model, client)


def test_renewal_under_new_terms(shop, open_model, client):
    license_id = shop.buy(open_model, client)
    seen = shop.digest(open_model)
    shop.offer(open_model, price=5_000)
    shop.pay(client, open_model)
    with boa.reverts(ME + "terms changed"):
        shop.licenses.renew(license_id, seen, sender=client)
    shop.renew(license_id, client)
    assert shop.licenses.license(license_id).expires_at == 0
    with boa.reverts(ME + "licence is for ever"):
        shop.renew(license_id, client)


def test_renewal_is_bounded(shop, listed, client):
    model_id = shop.offer(listed(1), period=36_525 * DAY)
    license_id = shop.buy(model_id, client)
    with boa.reverts(ME + "renewed too far ahead"):
        shop.renew(license_id, client)


# Money


def test_fees_go_to_stakers(shop, joy, open_model, client):
    shop.buy(open_model, client)
    assert shop.licenses.flush_fees() == 25
    assert joy.balanceOf(shop.licenses) == shop.licenses.pending_fees() == 0
    with boa.reverts(ME + "no fees to flush"):
        shop.licenses.flush_fees()


def test_nothing_to_withdraw_reverts(shop, stranger):
    with boa.reverts(ME + "nothing to withdraw"):
        shop.licenses.withdraw(sender=stranger)


def test_outflow_limit_delays_and_never_cancels(deploy_licenses, market, joy, fund, owner, shop,
                                                sealed, client, publisher):  # fmt: skip
    licenses = deploy_licenses(outflow_floor=100)
    licenses.set_link("ModelMarketplace", market, sender=owner)
    shop.licenses = licenses
    shop.offer(sealed, key_hash=KEY_HASH)
    license_id = shop.buy(sealed, client)
    later(RELEASE_WINDOW)
    licenses.refund(license_id)
    assert licenses.withdraw(sender=client) == 100
    with boa.reverts(ME + "outflow limit reached, withdraw in the next epoch"):
        licenses.withdraw(sender=client)
    paid = 100
    while licenses.withdrawable(client):
        later(DAY)
        paid += licenses.withdraw(sender=client)
    assert paid == 1_000 == joy.balanceOf(client)


def test_what_came_in_today_can_leave_today(deploy_licenses, market, shop, owner, sealed, client):
    licenses = deploy_licenses(outflow_floor=1, release_window=60)
    licenses.set_link("ModelMarketplace", market, sender=owner)
    shop.licenses = licenses
    shop.offer(sealed, key_hash=KEY_HASH)
    boa.env.timestamp = (boa.env.timestamp // DAY + 1) * DAY
    license_id = shop.buy(sealed, client)
    later(60)
    licenses.refund(license_id)
    assert licenses.withdraw(sender=client) == 1_000


def test_sales_of_open_models_do_not_lift_the_outflow_limit(
    deploy_licenses, market, shop, owner, open_model, sealed, client, publisher
):
    """What only passes through makes no room: who sells to itself cannot empty the rest."""
    licenses = deploy_licenses(outflow_floor=100)
    licenses.set_link("ModelMarketplace", market, sender=owner)
    shop.licenses = licenses
    shop.offer(sealed, key_hash=KEY_HASH)
    shop.offer(open_model, price=10_000)
    license_id = shop.buy(sealed, client)
    later(RELEASE_WINDOW)
    licenses.refund(license_id)
    shop.buy(open_model, publisher)
    assert licenses.withdraw(sender=client) == 125  # a tenth of the refund and the 250 of fee


def test_hostile_marketplace_cannot_pay_itself_twice(
    deploy, joy, shop, released, owner, client, sealed
):
    """It is linked after a delay, and calls back from `pay`."""
    hostile = deploy("testing/HostileMarketplace.vy", joy)
    shop.licenses.propose_link("ModelMarketplace", hostile, sender=owner)
    later(max(LINK_DELAY, DISPUTE_WINDOW))
    shop.licenses.apply_link("ModelMarketplace", sender=owner)
    again = shop.licenses.settle.prepare_calldata(released)
    hostile.behave(0, 0, 3, again)
    shop.licenses.settle(released)
    assert not hostile.called_back()
    assert joy.balanceOf(hostile) == 975
    assert joy.balanceOf(shop.licenses) == shop.licenses.pending_fees() == 25


def test_marketplace_cannot_take_more_than_the_sale(deploy, joy, shop, released, sealed, owner,
                                                    stranger):  # fmt: skip
    hostile = deploy("testing/HostileMarketplace.vy", joy)
    shop.buy(sealed, stranger)
    shop.licenses.propose_link("ModelMarketplace", hostile, sender=owner)
    later(max(LINK_DELAY, DISPUTE_WINDOW))
    shop.licenses.apply_link("ModelMarketplace", sender=owner)
    for mode in (1, 2):
        hostile.behave(0, 0, mode, b"")
        with boa.reverts():
            shop.licenses.settle(released)
    later(RELEASE_WINDOW)  # and a buyer's exit needs no marketplace
    shop.licenses.refund(2)
    assert shop.licenses.withdraw(sender=stranger) == 1_000


# Who may serve


def test_may_serve(shop, listed, client, operator, vault, publisher, actor):
    holder = actor("key holder")
    model_id = listed(1)
    serves = shop.licenses.may_serve
    assert serves(model_id, vault, operator)
    shop.offer(model_id, period=DAY)
    assert serves(model_id, vault, operator)
    shop.offer(model_id, period=DAY, is_required=True, key_holder=holder)
    assert not serves(model_id, vault, operator)
    assert serves(model_id, publisher, operator)
    assert serves(model_id, vault, publisher)
    assert serves(model_id, holder, operator)
    assert serves(model_id, vault, holder)
    shop.buy(model_id, vault)
    assert serves(model_id, vault, operator)
    assert not serves(model_id, client, operator)
    shop.buy(model_id, operator)
    assert serves(model_id, client, operator)
    later(DAY)
    assert not serves(model_id, vault, operator)


# Disputes


def test_wrong_key_is_proved_and_refunded(shop, market, bought, sealed, client):
    shop.release(bought, key=b"\x66" * 32)
    later(DISPUTE_WINDOW - 1)
    shop.licenses.dispute(bought, BUYER_SECRET, sender=client)
    assert shop.licenses.license(bought).state == VOID
    assert not shop.licenses.holds(sealed, client)
    assert shop.licenses.withdraw(sender=client) == 1_000
    assert market.account_of(sealed) == 0


def test_right_key_cannot_be_disputed(shop, released, client):
    with boa.reverts(ME + "the key is right"):
        shop.licenses.dispute(released, BUYER_SECRET, sender=client)


def test_dispute_needs_the_private_key_of_the_purchase(shop, bought, client):
    shop.release(bought, key=b"\x66" * 32)
    with boa.reverts(ME + "not the private key of this purchase"):
        shop.licenses.dispute(bought, EPHEMERAL_SECRET, sender=client)


def test_only_the_buyer_disputes(shop, bought, stranger):
    shop.release(bought, key=b"\x66" * 32)
    with boa.reverts(ME + "caller is not the licence's owner"):
        shop.licenses.dispute(bought, BUYER_SECRET, sender=stranger)


def test_dispute_after_the_window_reverts(shop, bought, client):
    shop.release(bought, key=b"\x66" * 32)
    later(DISPUTE_WINDOW)
    with boa.reverts(ME + "dispute window is over"):
        shop.licenses.dispute(bought, BUYER_SECRET, sender=client)


@pytest.mark.parametrize("low", [1, 2**255 - 20, 2**255 - 19])
def test_ephemeral_key_of_low_order_is_a_wrong_key(shop, bought, client, publisher, low):
    """Its shared secret is zero, which everybody knows: no secret was handed over."""
    ephemeral = low.to_bytes(32, "little")
    shop.licenses.release(bought, ephemeral, b"\x01" * 32, sender=publisher)
    shop.licenses.dispute(bought, BUYER_SECRET, sender=client)
    assert shop.licenses.withdrawable(client) == 1_000


def test_wrap_is_bound_to_the_licence(shop, sealed, bought, client, publisher):
    """The wrap of one licence, posted for another with the same buyer key, does not open."""
    again = shop.buy(sealed, client)
    shop.licenses.release(again, *shop.wrap(bought), sender=publisher)
    shop.licenses.dispute(again, BUYER_SECRET, sender=client)
    assert shop.licenses.license(again).state == VOID
