"""ModelMarketplace: who may list what, at which price, and how prices change."""

import boa
import pytest

EXACT, TOLERANT = 0, 1
DAY = 86_400  # seconds


def test_zero_token_reverts(deploy, guardian):
    with boa.reverts("ModelMarketplace: zero token"):
        deploy("models/ModelMarketplace.vy", boa.eval("empty(address)"), DAY, guardian, 1_000, 1)


def test_list_model_stores_listing(market, publisher, model):
    market.list_model(model(1), 7, 9, TOLERANT, 3, [], sender=publisher)

    now = boa.env.evm.patch.timestamp
    assert market.listing(model(1)) == (publisher, 7, 9, TOLERANT, 3, True, now)
    assert market.price_of(model(1)) == 7
    assert market.is_active(model(1))
    assert market.owners_of(model(1)) == [(publisher, 10_000)]
    assert market.parents_of(model(1)) == []
    assert market.depth_of(model(1)) == 1


def test_never_listed_model_is_all_zero(market, model):
    assert market.listing(model(1)).listed_at == 0
    assert market.price_of(model(1)) == 0
    assert not market.is_active(model(1))
    assert market.depth_of(model(1)) == 0


def test_list_twice_reverts_for_publisher_and_rival(market, listed, publisher, stranger, model):
    listed(1)
    for account in (publisher, stranger):
        with boa.reverts("ModelMarketplace: model already listed"):
            market.list_model(model(1), 1, 0, EXACT, 0, [], sender=account)


def test_delisted_model_stays_its_publishers(market, listed, publisher, stranger, model):
    listed(1)
    market.delist(model(1), sender=publisher)
    with boa.reverts("ModelMarketplace: model already listed"):
        market.list_model(model(1), 1, 0, EXACT, 0, [], sender=stranger)


def test_list_zero_model_id_reverts(market, publisher):
    with boa.reverts("ModelMarketplace: zero model id"):
        market.list_model(bytes(32), 1, 0, EXACT, 0, [], sender=publisher)


def test_list_unknown_class_reverts(market, publisher, model):
    with boa.reverts("ModelMarketplace: unknown verification class"):
        market.list_model(model(1), 1, 0, 2, 0, [], sender=publisher)


def test_list_exact_with_tolerance_reverts(market, publisher, model):
    with boa.reverts("ModelMarketplace: exact models have no tolerance"):
        market.list_model(model(1), 1, 0, EXACT, 1, [], sender=publisher)


def test_list_while_paused_reverts(market, publisher, guardian, model):
    market.pause(sender=guardian)
    with boa.reverts("circuit_breaker: paused"):
        market.list_model(model(1), 1, 0, EXACT, 0, [], sender=publisher)


def test_list_derived_by_stranger_reverts(market, fusion, listed, publisher, model):
    parent = listed(1)
    with boa.reverts("ModelMarketplace: caller is not ModelFusionContract"):
        market.list_derived(
            publisher, model(2), 1, 0, EXACT, 0, [], [(parent, 100)], sender=publisher
        )


def test_list_derived_before_fusion_is_linked_reverts(market, publisher, model):
    with boa.reverts("links: not set"):
        market.list_derived(publisher, model(2), 1, 0, EXACT, 0, [], [], sender=publisher)


def test_list_derived_without_parents_reverts(derived):
    with boa.reverts("ModelMarketplace: no parents"):
        derived(2, [])


def test_list_derived_for_zero_publisher_reverts(derived, listed):
    with boa.reverts("ModelMarketplace: zero publisher"):
        derived(2, [(listed(1), 100)], by=boa.eval("empty(address)"))


def test_price_cut_holds_at_once(market, listed, publisher):
    model_id = listed(1, price=10)
    market.set_price(model_id, 4, 0, sender=publisher)
    assert market.price_of(model_id) == 4
    assert market.scheduled_price(model_id) == (0, 0, 0)


def test_price_rise_waits_a_day(market, listed, publisher):
    model_id = listed(1, price=10)
    market.set_price(model_id, 11, 2, sender=publisher)
    effective_at = boa.env.evm.patch.timestamp + DAY
    assert market.scheduled_price(model_id) == (11, 2, effective_at)

    boa.env.time_travel(seconds=DAY - 1)
    assert market.price_of(model_id) == 10
    boa.env.time_travel(seconds=1)
    assert market.price_of(model_id) == 11
    assert market.listing(model_id)[1:3] == (11, 2)


def test_cut_of_one_price_does_not_smuggle_a_rise_of_the_other(market, listed, publisher):
    model_id = listed(1, price=10)
    market.set_price(model_id, 1, 1, sender=publisher)
    assert market.listing(model_id)[1:3] == (10, 0)


def test_new_rise_replaces_waiting_one_and_starts_anew(market, listed, publisher):
    model_id = listed(1, price=10)
    market.set_price(model_id, 20, 0, sender=publisher)
    boa.env.time_travel(seconds=DAY - 1)
    market.set_price(model_id, 30, 0, sender=publisher)
    boa.env.time_travel(seconds=1)
    assert market.price_of(model_id) == 10
    boa.env.time_travel(seconds=DAY)
    assert market.price_of(model_id) == 30


def test_rise_counts_from_the_price_in_force(market, listed, publisher):
    """After a rise took effect, going back to it is no rise, and going over it is."""
    model_id = listed(1, price=10)
    market.set_price(model_id, 20, 0, sender=publisher)
    boa.env.time_travel(seconds=DAY)
    market.set_price(model_id, 15, 0, sender=publisher)
    assert market.price_of(model_id) == 15
    market.set_price(model_id, 16, 0, sender=publisher)
    assert market.price_of(model_id) == 15


def test_delist_keeps_price_and_account(market, listed, publisher, pay):
    model_id = listed(1, price=10)
    market.delist(model_id, sender=publisher)
    pay(model_id, 5)
    assert not market.is_active(model_id)
    assert market.price_of(model_id) == 10
    assert market.account_of(model_id) == 5
    market.relist(model_id, sender=publisher)
    assert market.is_active(model_id)


def test_delist_twice_reverts(market, listed, publisher):
    model_id = listed(1)
    market.delist(model_id, sender=publisher)
    with boa.reverts("ModelMarketplace: already delisted"):
        market.delist(model_id, sender=publisher)


def test_relist_listed_reverts(market, listed, publisher):
    model_id = listed(1)
    with boa.reverts("ModelMarketplace: already listed"):
        market.relist(model_id, sender=publisher)


@pytest.mark.parametrize("call", ["set_price", "delist", "relist"])
def test_publisher_functions_by_stranger_revert(market, listed, stranger, call):
    model_id = listed(1)
    arguments = (1, 1) if call == "set_price" else ()
    with boa.reverts("ModelMarketplace: caller is not the publisher"):
        getattr(market, call)(model_id, *arguments, sender=stranger)


@pytest.mark.parametrize("call", ["delist", "distribute", "pay"])
def test_unknown_model_reverts(market, publisher, model, call):
    arguments = (1,) if call == "pay" else ()
    with boa.reverts("ModelMarketplace: model not listed"):
        getattr(market, call)(model(9), *arguments, sender=publisher)


def test_deployed_code_fits_eip170(market):
    assert len(boa.env.get_code(market.address)) <= 24_576
