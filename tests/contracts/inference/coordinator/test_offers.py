"""NodeCoordinator: offers, candidate lists, and who gets a seat on a full list."""

import boa
import pytest

JOY = 10**18  # wei


def ids(candidates):
    return {candidate.node_id for candidate in candidates}


def test_set_offer_lists_node(coordinator, node, model):
    model_id = model()
    coordinator.set_offer(node.id, model_id, 5, 7, sender=node.operator)
    assert coordinator.offer(node.id, model_id) == (5, 7, True)
    assert coordinator.offers_of(model_id) == [node.id]
    assert coordinator.models_of(node.id) == [model_id]


def test_set_offer_again_changes_prices_only(coordinator, node, model):
    model_id = model()
    coordinator.set_offer(node.id, model_id, 5, 7, sender=node.vault)
    coordinator.set_offer(node.id, model_id, 6, 0, sender=node.vault)
    assert coordinator.offer(node.id, model_id) == (6, 0, True)
    assert coordinator.offers_of(model_id) == [node.id]


def test_set_offer_for_unlisted_model_reverts(coordinator, node):
    with boa.reverts("NodeCoordinator: model is not listed"):
        coordinator.set_offer(node.id, b"\x01" * 32, 5, 0, sender=node.vault)


def test_set_offer_for_delisted_model_reverts(coordinator, node, model, market, publisher):
    model_id = model()
    market.delist(model_id, sender=publisher)
    with boa.reverts("NodeCoordinator: model is not listed"):
        coordinator.set_offer(node.id, model_id, 5, 0, sender=node.vault)


def test_set_offer_by_inactive_node_reverts(coordinator, node, model):
    model_id = model()
    coordinator.set_active(node.id, False, sender=node.vault)
    with boa.reverts("NodeCoordinator: node is inactive"):
        coordinator.set_offer(node.id, model_id, 5, 0, sender=node.vault)


def test_set_offer_while_paused_reverts(coordinator, node, model, guardian):
    model_id = model()
    coordinator.set_offer(node.id, model_id, 5, 0, sender=node.vault)
    coordinator.pause(sender=guardian)
    with boa.reverts("circuit_breaker: paused"):
        coordinator.set_offer(node.id, model_id, 5, 0, sender=node.vault)
    coordinator.remove_offer(node.id, model_id, sender=node.vault)


def test_seventeenth_offer_reverts(coordinator, node, model):
    for n in range(1, 17):
        coordinator.set_offer(node.id, model(n), 5, 0, sender=node.vault)
    model_id = model(17)
    with boa.reverts("NodeCoordinator: too many offers"):
        coordinator.set_offer(node.id, model_id, 5, 0, sender=node.vault)
    coordinator.remove_offer(node.id, (3).to_bytes(32, "big"), sender=node.vault)
    coordinator.set_offer(node.id, model_id, 5, 0, sender=node.vault)
    assert len(set(coordinator.models_of(node.id))) == 16


def test_second_node_of_a_vault_cannot_offer_the_same_model(coordinator, register, model):
    first = register("first")
    second = register("second", vault=first.vault)
    model_id = model()
    coordinator.set_offer(first.id, model_id, 5, 0, sender=first.vault)
    with boa.reverts("NodeCoordinator: vault already offers this model"):
        coordinator.set_offer(second.id, model_id, 5, 0, sender=first.vault)
    coordinator.remove_offer(first.id, model_id, sender=first.vault)
    coordinator.set_offer(second.id, model_id, 5, 0, sender=first.vault)
    assert coordinator.offers_of(model_id) == [second.id]


def test_remove_offer_keeps_the_others(coordinator, register, model):
    model_id = model()
    nodes = [register(f"node {n}") for n in range(4)]
    for node in nodes:
        coordinator.set_offer(node.id, model_id, 5, 0, sender=node.vault)
    coordinator.remove_offer(nodes[1].id, model_id, sender=nodes[1].vault)
    assert sorted(coordinator.offers_of(model_id)) == [1, 3, 4]
    assert coordinator.offer(2, model_id) == (0, 0, False)


def test_remove_missing_offer_reverts(coordinator, node, model):
    with boa.reverts("NodeCoordinator: no such offer"):
        coordinator.remove_offer(node.id, model(), sender=node.vault)


def test_candidates_filter_price_bond_and_activity(coordinator, register, model, provision):
    model_id = model()
    cheap, dear, poor, gone = (register(name) for name in ("cheap", "dear", "poor", "gone"))
    for node, price, stake in (
        (cheap, 5, 1_000),
        (dear, 6, 1_000),
        (poor, 5, 99),
        (gone, 5, 1_000),
    ):
        coordinator.set_offer(node.id, model_id, price, 0, sender=node.vault)
        provision(node.vault, stake * JOY)
    coordinator.set_active(gone.id, False, sender=gone.operator)

    assert ids(coordinator.candidates(model_id, 5, 100 * JOY)) == {cheap.id}
    assert ids(coordinator.candidates(model_id, 6, 99 * JOY)) == {cheap.id, dear.id, poor.id}
    [candidate] = coordinator.candidates(model_id, 5, 100 * JOY)
    assert candidate == (cheap.id, cheap.vault, cheap.operator, 1_000 * JOY)


def test_candidates_without_provision_never_count(coordinator, node, model):
    model_id = model()
    coordinator.set_offer(node.id, model_id, 5, 0, sender=node.vault)
    assert coordinator.candidates(model_id, 5, 0) == []


def test_candidate_weight_follows_reputation_and_provision_but_not_locked_bonds(
    coordinator, node, model, provision, poi
):
    model_id = model()
    coordinator.set_offer(node.id, model_id, 5, 0, sender=node.vault)
    provision(node.vault, 1_000 * JOY)
    coordinator.report(node.id, False, sender=poi)
    coordinator.lock_bond(node.vault, 400 * JOY, sender=poi)
    [candidate] = coordinator.candidates(model_id, 5, 1_000 * JOY)
    assert candidate.weight == 900 * JOY  # 1,000 x 0.9


@pytest.fixture
def full_list(coordinator, register, model, provision):
    """A model whose 64 seats are taken by vaults with 1,000, 1,001, ... JOY."""
    model_id = model()
    nodes = []
    for n in range(64):
        node = register(f"node {n}")
        provision(node.vault, (1_000 + n) * JOY)
        coordinator.set_offer(node.id, model_id, 5, 0, sender=node.vault)
        nodes.append(node)
    return model_id, nodes


def test_full_list(coordinator, full_list, register, provision, poi):
    """One scenario, because the 64 nodes are dear to set up."""
    model_id, nodes = full_list
    entrant = register("entrant")

    provision(entrant.vault, 1_000 * JOY)
    with boa.reverts("NodeCoordinator: list is full of larger provisions"):
        coordinator.set_offer(entrant.id, model_id, 5, 0, sender=entrant.vault)

    provision(entrant.vault, 1)
    coordinator.set_offer(entrant.id, model_id, 5, 0, sender=entrant.vault)
    assert len(coordinator.offers_of(model_id)) == 64
    assert entrant.id in coordinator.offers_of(model_id)
    assert nodes[0].id not in coordinator.offers_of(model_id)
    assert coordinator.models_of(nodes[0].id) == []
    assert len(coordinator.candidates(model_id, 5, 0)) == 64
    # Draws read the whole list on chain: keep it well inside a block.
    assert coordinator._computation.get_gas_used() < 3_000_000

    # What is locked counts for a rival, or clients could empty the list by ordering jobs, ...
    coordinator.lock_bond(nodes[5].vault, 1_005 * JOY, sender=poi)
    second = register("second")
    provision(second.vault, 6 * JOY)
    with boa.reverts("NodeCoordinator: list is full of larger provisions"):
        coordinator.set_offer(second.id, model_id, 5, 0, sender=second.vault)
    # ... and not for an entrant.
    provision(second.vault, 2_000 * JOY)
    coordinator.lock_bond(second.vault, 2_000 * JOY, sender=poi)
    with boa.reverts("NodeCoordinator: list is full of larger provisions"):
        coordinator.set_offer(second.id, model_id, 5, 0, sender=second.vault)

    # An inactive node counts as nothing, but an entrant needs something.
    coordinator.set_active(nodes[9].id, False, sender=nodes[9].vault)
    third = register("third")
    with boa.reverts("NodeCoordinator: list is full of larger provisions"):
        coordinator.set_offer(third.id, model_id, 5, 0, sender=third.vault)
    provision(third.vault, 1)
    coordinator.set_offer(third.id, model_id, 5, 0, sender=third.vault)
    assert nodes[9].id not in coordinator.offers_of(model_id)


def test_sybil_nodes_of_one_vault_take_one_seat(coordinator, register, model, provision):
    model_id = model()
    first = register("sybil 0")
    provision(first.vault, 10**6 * JOY)
    coordinator.set_offer(first.id, model_id, 1, 0, sender=first.vault)
    for n in range(1, 8):
        sybil = register(f"sybil {n}", vault=first.vault)
        with boa.reverts("NodeCoordinator: vault already offers this model"):
            coordinator.set_offer(sybil.id, model_id, 1, 0, sender=sybil.vault)
    assert coordinator.offers_of(model_id) == [first.id]


def test_squatters_without_stake_give_way(coordinator, register, model, provision):
    """64 vaults that staked nothing hold a list only until somebody stakes 1 wei."""
    model_id = model()
    for n in range(64):
        squatter = register(f"squatter {n}")
        coordinator.set_offer(squatter.id, model_id, 1, 0, sender=squatter.vault)
    honest = register("honest")
    provision(honest.vault, 1)
    coordinator.set_offer(honest.id, model_id, 5, 0, sender=honest.vault)
    assert ids(coordinator.candidates(model_id, 5, 0)) == {honest.id}
