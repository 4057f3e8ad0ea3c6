"""Whoever locks other nodes' bonds, by jobs that nobody can answer, gains no seat by it.

Such jobs are cheap: 21 nodes are busy for a minute for 21 gas allowances.
"""

import pytest

from ..inference.poi.test_request_and_draw import ready, reference_draw

JOY = 10**18
LOCK_FEE = 115 * JOY // 10  # 21 bonds of 989.5 JOY


def lock_up(network, model_id):
    """Order a job and draw it: 21 honest vaults cannot lock another bond for now."""
    lock = network.started(model_id, 21, max_fee=LOCK_FEE, cid="bafy-none")
    assert network.status(lock) == network.COMMIT
    return lock


def colluders(network, model_id):
    """7 x 60 JOY, beside 25 honest vaults with 1,000 each."""
    for _ in range(7):
        network.add_node(model_id, provision=60 * JOY)


@pytest.mark.parametrize("is_early", [True, False])
def test_locked_bonds_do_not_choose_an_escalation_committee(network, court, is_early):
    """Two liars outvote an honest member. It escalates; seven more wait to confirm the lie."""
    job = network.vote(court, b"seven", b"lie", b"lie")
    colluders(network, court)
    lock = lock_up(network, court) if is_early else None
    escalation = network.escalate(job, 0)
    assert len(escalation.candidates) == 29
    lock = lock or lock_up(network, court)
    network.draw(escalation)
    assert network.status(escalation) == network.REFUNDED
    network.check()

    network.run(lock, dict.fromkeys(range(21), None))
    again = network.convene(job)
    network.draw(again)
    network.run(again, dict.fromkeys(range(7), b"seven"))
    network.wait("challenge")
    network.poi.settle(again.id)
    network.poi.execute_slash(job.id, 1)
    assert network.joy.staked(network.node_at(job, 0).vault) == network.PROVISION
    assert network.joy.staked(network.node_at(job, 1).vault) < network.PROVISION
    network.check()


def test_client_gets_its_money_back_rather_than_a_captured_committee(network, court):
    colluders(network, court)
    job = network.request(court)
    lock_up(network, court)
    before = network.poi.claimable(network.client)
    network.draw(job)
    assert network.status(job) == network.REFUNDED
    paid = 3 * network.MAX_FEE + network.PRICE + network.DRAW_BOND
    assert network.poi.claimable(network.client) - before == paid
    network.check()


@pytest.mark.parametrize(("busy", "status"), [(2, "COMMIT"), (3, "REFUNDED")])
def test_draw_passes_over_as_many_as_make_a_quorum(network, exact, busy, status):
    """A few busy nodes are normal: three seats may pass over two vaults, not three."""
    network.add_nodes(4, exact)
    job = network.request(exact)
    order = reference_draw(ready(network, job), job.candidates, 7)
    for node_id in order[:busy]:
        vault = network.nodes[node_id].vault
        network.joy.request_deprovision(network.coordinator, network.PROVISION, sender=vault)
    network.poi.draw(job.id, job.salt, job.candidates)
    assert network.status(job) == getattr(network, status)
    seated = [member.node_id for member in network.members(job)]
    assert seated == (order[2:5] if status == "COMMIT" else [])
    network.check()
