"""Offers of models that need a licence, and paid calls as usage, with the real contracts."""

import boa
import pytest

DAY = 86_400  # seconds
JOY_WEI = 10**18
ZERO = "0x" + "00" * 20


@pytest.fixture
def licenses(deploy, joy, owner, guardian, market, coordinator):
    with boa.env.prank(owner):
        contract = deploy(
            "models/ModelLicenses.vy", joy, DAY, DAY, 0, DAY, guardian, 1_000, JOY_WEI
        )
        contract.set_link("ModelMarketplace", market)
        coordinator.set_link("ModelLicenses", contract)
    return contract


@pytest.fixture
def gated(licenses, model, publisher):
    """Model 1, which needs a licence that costs nothing and lasts a day."""
    model_id = model(1)
    terms = (0, DAY, bytes(32), ZERO, True, True, 0)
    licenses.set_terms(model_id, terms, sender=publisher)
    return model_id


def test_model_that_needs_a_licence_is_offered_by_a_holder_only(
    coordinator, licenses, gated, node, provision
):
    provision(node.vault, JOY_WEI)
    with boa.reverts("NodeCoordinator: model needs a licence"):
        coordinator.set_offer(node.id, gated, 1, 0, sender=node.operator)
    digest = licenses.terms_digest(gated)
    licenses.buy(gated, bytes(32), digest, sender=node.vault)
    coordinator.set_offer(node.id, gated, 1, 0, sender=node.operator)
    boa.env.time_travel(seconds=DAY)
    coordinator.set_offer(node.id, gated, 2, 0, sender=node.operator)  # a price, no new offer
    coordinator.remove_offer(node.id, gated, sender=node.operator)
    with boa.reverts("NodeCoordinator: model needs a licence"):
        coordinator.set_offer(node.id, gated, 1, 0, sender=node.operator)


def test_operators_licence_does_too(coordinator, licenses, gated, node):
    licenses.buy(gated, bytes(32), licenses.terms_digest(gated), sender=node.operator)
    coordinator.set_offer(node.id, gated, 1, 0, sender=node.operator)


def test_naming_a_stranger_as_operator_brings_no_licence(coordinator, gated, publisher, register):
    """Nobody asks an operator when it is registered; the publisher needs no licence."""
    node = register(operator=publisher)
    with boa.reverts("NodeCoordinator: model needs a licence"):
        coordinator.set_offer(node.id, gated, 1, 0, sender=node.vault)
    coordinator.set_offer(node.id, gated, 1, 0, sender=publisher)


def test_model_without_terms_and_network_without_licences_ask_nothing(coordinator, model, node):
    assert coordinator.link("ModelLicenses") == ZERO
    coordinator.set_offer(node.id, model(1), 1, 0, sender=node.operator)


def test_other_models_stay_free_to_offer(coordinator, licenses, model, node):
    coordinator.set_offer(node.id, model(2), 1, 0, sender=node.operator)


def test_redeemed_calls_are_usage(coordinator, market, owner, model, node, payer, voucher, redeem):
    market.set_link("NodeCoordinator", coordinator, sender=owner)
    model_id = model(1, price=10)
    client = payer(deposit=1_000, operator=node.operator, allocation=260)
    redeem(node, voucher(client, node.operator, model_id, 5, 250))
    assert tuple(market.usage_of(model_id)) == (5, 50)
    # Ten more calls, of whose 100 wei the allocation covers 10: one call is paid for.
    redeem(node, voucher(client, node.operator, model_id, 15, 600))
    assert tuple(market.usage_of(model_id)) == (6, 60)
    coordinator.allocate(node.operator, 740, sender=client.address)
    redeem(node, voucher(client, node.operator, model_id, 15, 600))
    assert tuple(market.usage_of(model_id)) == (15, 150)
