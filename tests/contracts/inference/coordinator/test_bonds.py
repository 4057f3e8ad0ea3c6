"""NodeCoordinator: bonds and reputation, which only ProofOfInference touches."""

import boa
import pytest

JOY = 10**18  # wei
DAY = 86_400  # seconds
ONE = 10**18


@pytest.fixture
def staked(node, provision):
    provision(node.vault, 1_000 * JOY)
    return node


def test_lock_takes_from_free_provision(coordinator, staked, poi):
    coordinator.lock_bond(staked.vault, 300 * JOY, sender=poi)
    assert coordinator.free_provision(staked.vault) == 700 * JOY
    assert coordinator.locked_bond(staked.vault) == 300 * JOY


def test_lock_more_than_free_reverts(coordinator, staked, poi):
    coordinator.lock_bond(staked.vault, 300 * JOY, sender=poi)
    with boa.reverts("NodeCoordinator: free provision too low"):
        coordinator.lock_bond(staked.vault, 700 * JOY + 1, sender=poi)


def test_lock_while_paused_reverts_but_unlock_works(coordinator, staked, poi, guardian):
    coordinator.lock_bond(staked.vault, 1, sender=poi)
    coordinator.pause(sender=guardian)
    with boa.reverts("circuit_breaker: paused"):
        coordinator.lock_bond(staked.vault, 1, sender=poi)
    coordinator.unlock_bond(staked.vault, 1, sender=poi)
    assert coordinator.locked_bond(staked.vault) == 0


@pytest.mark.parametrize(
    ("call", "arguments"), [("lock_bond", ("vault", 1)), ("report", ("id", True))]
)
def test_poi_functions_by_others_revert(coordinator, staked, stranger, call, arguments):
    first, *rest = arguments
    for sender in (stranger, staked.vault, staked.operator):
        with boa.reverts("NodeCoordinator: caller is not ProofOfInference"):
            getattr(coordinator, call)(getattr(staked, first), *rest, sender=sender)


def test_unlock_and_slash_by_who_did_not_lock_revert(coordinator, staked, stranger, poi):
    coordinator.lock_bond(staked.vault, 10, sender=poi)
    for sender in (stranger, staked.vault):
        with boa.reverts("NodeCoordinator: caller did not lock this bond"):
            coordinator.unlock_bond(staked.vault, 1, sender=sender)
        with boa.reverts("NodeCoordinator: caller did not lock this bond"):
            coordinator.slash_bond(staked.vault, 1, sender, 0, sender=sender)


def test_unlock_more_than_locked_reverts(coordinator, staked, poi):
    coordinator.lock_bond(staked.vault, 10, sender=poi)
    with boa.reverts("NodeCoordinator: caller did not lock this bond"):
        coordinator.unlock_bond(staked.vault, 11, sender=poi)


def test_unlock_twice_reverts(coordinator, staked, poi):
    coordinator.lock_bond(staked.vault, 10, sender=poi)
    coordinator.unlock_bond(staked.vault, 10, sender=poi)
    with boa.reverts("NodeCoordinator: caller did not lock this bond"):
        coordinator.unlock_bond(staked.vault, 1, sender=poi)


def test_slash_takes_provision_and_pays_beneficiary(coordinator, joy, staked, poi, stranger):
    coordinator.lock_bond(staked.vault, 100 * JOY, sender=poi)
    assert (
        coordinator.slash_bond(staked.vault, 60 * JOY, stranger, 20 * JOY, sender=poi) == 60 * JOY
    )
    assert joy.balanceOf(stranger) == 20 * JOY
    assert coordinator.locked_bond(staked.vault) == 40 * JOY
    assert coordinator.free_provision(staked.vault) == 900 * JOY


def test_thawing_provision_is_not_free_but_still_slashable(coordinator, joy, staked, poi):
    coordinator.lock_bond(staked.vault, 100 * JOY, sender=poi)
    joy.request_deprovision(coordinator, 1_000 * JOY, sender=staked.vault)
    assert coordinator.free_provision(staked.vault) == 0
    zero = boa.eval("empty(address)")
    assert coordinator.slash_bond(staked.vault, 100 * JOY, zero, 0, sender=poi) == 100 * JOY


def test_replaced_poi_can_only_unwind(coordinator, staked, poi, owner):
    """Jobs that are open when ProofOfInference is replaced can still settle their bonds."""
    coordinator.lock_bond(staked.vault, 10, sender=poi)
    new = boa.loads("# pragma version ~=0.4.3\n@external\ndef ping():\n    pass").address
    coordinator.propose_link("ProofOfInference", new, sender=owner)
    boa.env.time_travel(seconds=DAY)
    coordinator.apply_link("ProofOfInference", sender=owner)

    with boa.reverts("NodeCoordinator: caller is not ProofOfInference"):
        coordinator.lock_bond(staked.vault, 1, sender=poi)
    with boa.reverts("NodeCoordinator: caller did not lock this bond"):
        coordinator.unlock_bond(staked.vault, 1, sender=new)
    coordinator.unlock_bond(staked.vault, 10, sender=poi)
    assert coordinator.locked_bond(staked.vault) == 0


def test_poi_functions_before_link_revert(deploy_coordinator, poi, vault):
    with boa.reverts("links: not set"):
        deploy_coordinator().lock_bond(vault, 0, sender=poi)


def test_reputation_starts_at_one(coordinator, node):
    assert coordinator.reputation(node.id) == ONE


def test_reputation_stays_in_bounds(coordinator, node, poi):
    for _ in range(30):
        coordinator.report(node.id, True, sender=poi)
    assert coordinator.reputation(node.id) == 15 * ONE // 10
    for _ in range(15):
        coordinator.report(node.id, False, sender=poi)
    assert coordinator.reputation(node.id) == 5 * ONE // 10


@pytest.mark.parametrize(("good", "start"), [(True, 102), (False, 90)])
def test_reputation_fades_to_one_and_not_past_it(coordinator, node, poi, good, start):
    coordinator.report(node.id, good, sender=poi)
    seen = [coordinator.reputation(node.id)]
    assert seen[0] == start * ONE // 100
    for _ in range(8):
        boa.env.time_travel(seconds=DAY)
        seen.append(coordinator.reputation(node.id))
    assert seen == sorted(seen, reverse=good)
    assert seen[-1] == ONE
    boa.env.time_travel(seconds=400 * DAY)
    assert coordinator.reputation(node.id) == ONE


def test_report_builds_on_the_faded_value(coordinator, node, poi):
    for _ in range(5):
        coordinator.report(node.id, False, sender=poi)
    boa.env.time_travel(seconds=15 * DAY)  # half of the largest deviation fades
    assert coordinator.reputation(node.id) == 75 * ONE // 100
    coordinator.report(node.id, False, sender=poi)
    assert coordinator.reputation(node.id) == 65 * ONE // 100


def test_report_unknown_node_reverts(coordinator, poi):
    with boa.reverts("NodeCoordinator: unknown node"):
        coordinator.report(1, True, sender=poi)
