"""Whole lives of jobs, and where the money is at their end."""

import boa
import pytest


def test_unanimous_exact_job_pays_everyone_once(network, exact):
    job = network.vote(exact, b"seven", b"seven", b"seven")
    assert network.status(job) == network.SETTLED
    for node in network.nodes.values():
        assert network.poi.claimable(node.payout) == network.MAX_FEE - network.FEE
        assert network.coordinator.reputation(node.id) > 10**18
    assert network.poi.fees() == 3 * network.FEE
    assert network.market.account_of(exact) == network.PRICE
    assert network.poi.claimable(network.client) == network.DRAW_BOND
    network.check()
    with boa.reverts("ProofOfInference: job is in another status"):
        network.poi.finalise(job.id)


def test_committee_of_one_decides_alone(network, exact):
    job = network.vote(exact, b"seven")
    assert network.status(job) == network.SETTLED
    network.check()


def test_liar_is_paid_nothing_and_slashed_after_the_challenge(network, exact):
    job = network.vote(exact, b"seven", b"one", b"seven")
    record = network.job(job)
    liar, right = network.node_at(job, 1), [network.node_at(job, 0), network.node_at(job, 2)]
    assert record.status == network.DISPUTED
    assert network.poi.claimable(liar.payout) == 0
    assert network.poi.claimable(network.client) == network.DRAW_BOND + network.MAX_FEE
    assert all(network.coordinator.locked_bond(n.vault) == record.bond for n in [liar, *right])
    network.check()
    with boa.reverts("ProofOfInference: still open"):
        network.poi.execute_slash(job.id, 1)

    network.wait("challenge")
    supply = network.joy.totalSupply()
    network.poi.execute_slash(job.id, 1)
    reward = record.bond // 4
    assert network.joy.totalSupply() == supply - (record.bond - reward)
    assert network.joy.staked(liar.vault) == network.PROVISION - record.bond
    assert [network.poi.claimable(n.vault) for n in right] == [reward // 2] * 2
    assert network.coordinator.reputation(liar.id) < 10**18
    assert network.status(job) == network.SETTLED
    network.check()
    for seat in range(4):
        with boa.reverts("ProofOfInference: nothing to slash"):
            network.poi.execute_slash(job.id, seat)


def test_no_quorum_refunds_everything(network, exact):
    job = network.vote(exact, b"one", b"two", b"three")
    assert network.status(job) == network.REFUNDED
    spent = 3 * network.MAX_FEE + network.PRICE + network.DRAW_BOND
    assert network.poi.claimable(network.client) == spent
    assert network.market.account_of(exact) == 0
    network.check()


@pytest.mark.parametrize("committed", [False, True])
def test_silence_burns_the_bond_and_pays_nobody(network, exact, committed):
    job = network.started(exact)
    bond = network.job(job).bond
    silent = network.node_at(job, 2)
    if committed:
        for seat in range(3):
            network.commit(job, seat, b"seven")
        for seat in range(2):
            network.reveal(job, seat)
        network.wait("reveal")
        supply = network.joy.totalSupply()
        network.poi.finalise(job.id)
    else:
        supply = network.joy.totalSupply()
        network.run(job, {0: b"seven", 1: b"seven"})
    assert network.status(job) == network.SETTLED
    assert network.joy.totalSupply() == supply - bond
    assert network.joy.staked(silent.vault) == network.PROVISION - bond
    assert network.poi.claimable(network.client) == network.DRAW_BOND + network.MAX_FEE
    assert network.coordinator.reputation(silent.id) < 10**18
    network.check()


def test_nobody_commits_refunds_and_burns_every_bond(network, exact):
    job = network.started(exact)
    network.mine(1, network.WINDOWS["commit"] + 1)
    assert network.status(job) == network.READY
    network.poi.finalise(job.id)
    assert network.status(job) == network.REFUNDED
    for node in network.nodes.values():
        assert network.joy.staked(node.vault) == network.PROVISION - network.job(job).bond
    network.check()


def test_one_unavailable_vote_costs_nothing(network, exact):
    job = network.vote(exact, b"seven", None, b"seven")
    assert network.status(job) == network.SETTLED
    assert network.joy.staked(network.node_at(job, 1).vault) == network.PROVISION
    network.check()


def test_minority_of_reveals_never_finalises(network, exact):
    network.add_nodes(2, exact)
    job = network.started(exact, 5)
    network.run(job, {0: b"seven", 1: b"seven", 2: b"one"})
    assert network.status(job) == network.REFUNDED
    network.check()


def test_tie_refunds_and_slashes_nobody(network, exact):
    network.add_nodes(2, exact)
    job = network.vote(exact, b"a", b"a", b"b", b"b", None)
    assert network.status(job) == network.REFUNDED
    for seat in range(5):
        assert network.joy.staked(network.node_at(job, seat).vault) == network.PROVISION
        with boa.reverts("ProofOfInference: nothing to slash"):
            network.poi.execute_slash(job.id, seat)
    network.check()


def test_claims_and_fees_leave_to_the_wei(network, exact, joy):
    network.vote(exact, b"seven", b"seven", b"seven")
    before = joy.balanceOf(network.client)
    assert network.poi.claim(sender=network.client) == network.DRAW_BOND
    assert joy.balanceOf(network.client) == before + network.DRAW_BOND
    for node in network.nodes.values():
        network.poi.claim_for(node.payout)
        assert joy.balanceOf(node.payout) == network.MAX_FEE - network.FEE
    assert network.poi.claim_for(network.client) == 0
    pool = joy.reward_pool()
    assert network.poi.flush_fees() == 3 * network.FEE
    assert joy.reward_pool() == pool + 3 * network.FEE
    assert joy.balanceOf(network.poi) == 0
    with boa.reverts("JoyToken: zero amount"):
        network.poi.flush_fees()


def test_outflow_limit_delays_a_claim_and_loses_nothing(deploy_poi, network, exact, owner):
    slow = deploy_poi(outflow_floor=10**16)
    slow.set_link("NodeCoordinator", network.coordinator, sender=owner)
    slow.set_link("ModelMarketplace", network.market, sender=owner)
    network.coordinator.propose_link("ProofOfInference", slow, sender=owner)
    network.mine(1, 86_400)
    network.coordinator.apply_link("ProofOfInference", sender=owner)
    network.poi = slow
    network.vote(exact, b"one", b"two", b"three")
    network.mine(1, 86_400)  # a new epoch: the inflow no longer makes room
    owed = slow.claimable(network.client)
    paid = 0
    for _ in range(200):
        paid += slow.claim(sender=network.client)
        network.mine(1, 86_400)
    assert 0 < slow.claimable(network.client) + paid == owed
    assert paid > owed * 9 // 10
    network.check()


def test_input_by_cid_is_announced(network, exact):
    job = network.request(exact, cid="bafkreigh2akiscaildc" + "a" * 39)
    events = [e for e in network.poi.get_logs() if type(e).__name__ == "Requested"]
    assert events[0].input == b""
    assert events[0].input_cid.startswith("bafkrei")
    assert [tuple(c) for c in events[0].candidates] == job.candidates
