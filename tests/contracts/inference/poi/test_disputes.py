"""Escalation: fresh committees, who pays for them, and what happens when there is none."""

import boa
import pytest

TRUTH, LIE, OTHER = b"seven", b"one", b"four"


@pytest.fixture
def framed(network, court):
    """Two of three members lied; seat 0 is honest and accused."""
    return network.vote(court, TRUTH, LIE, LIE)


@pytest.fixture
def caught(network, court):
    """Seat 0 lied."""
    return network.vote(court, LIE, TRUTH, TRUTH)


def judge(network, escalation, *outputs):
    """Run a fresh committee; missing outputs repeat the last one."""
    network.draw(escalation)
    answers = list(outputs) + [outputs[-1]] * (escalation.n - len(outputs))
    network.run(escalation, dict(enumerate(answers)))


def end(network, *jobs):
    """Let the challenge of the last committee pass and settle from there down to the first."""
    network.wait("challenge")
    for job in reversed(jobs):
        network.poi.settle(job.id)


def test_confirmed_liar_loses_both_bonds(network, caught):
    liar, bond = network.node_at(caught, 0), network.job(caught).bond
    escalation = network.escalate(caught, 0)
    network.check()
    supply = network.joy.totalSupply()
    judge(network, escalation, TRUTH)
    end(network, caught, escalation)
    fees = 7 * network.MAX_FEE
    assert network.joy.totalSupply() == supply - (bond - fees)
    network.poi.execute_slash(caught.id, 0)
    assert network.joy.staked(liar.vault) == network.PROVISION - bond
    assert network.poi.claimable(liar.vault) == 0
    network.check()


def test_two_of_three_colluders_cannot_slash_the_honest_one_that_escalates(network, framed):
    honest, bond = network.node_at(framed, 0), network.job(framed).bond
    escalation = network.escalate(framed, 0)
    judge(network, escalation, TRUTH)
    network.check()
    with boa.reverts("ProofOfInference: still open"):
        network.poi.execute_slash(framed.id, 0)
    end(network, framed, escalation)
    with boa.reverts("ProofOfInference: nothing to slash"):
        network.poi.execute_slash(framed.id, 0)
    fees = 7 * network.MAX_FEE
    assert network.poi.claimable(honest.vault) == bond - fees
    assert network.poi.dispute(framed.id).owed == fees
    network.check()
    for seat in (1, 2):
        network.poi.execute_slash(framed.id, seat)
        colluder = network.node_at(framed, seat)
        assert network.joy.staked(colluder.vault) == network.PROVISION - bond
    # made whole from the slashes, and as the only one who was right it gets their reward too
    assert network.poi.dispute(framed.id).owed == 0
    assert network.poi.claimable(honest.vault) >= bond
    assert network.joy.staked(honest.vault) == network.PROVISION
    assert network.coordinator.locked_bond(honest.vault) == 0
    network.check()


def test_escalation_members_are_fresh_and_paid_from_the_bond(network, framed):
    escalation = network.escalate(framed, 0)
    judge(network, escalation, TRUTH, TRUTH, TRUTH, TRUTH, TRUTH, LIE, None)
    first = {m.vault for m in network.members(framed)}
    second = {m.vault for m in network.members(escalation)}
    assert len(second) == 7
    assert not first & second
    paid = [network.poi.claimable(network.node_at(escalation, i).payout) for i in range(7)]
    assert paid == [network.MAX_FEE - network.FEE] * 5 + [0, 0]
    bond = network.job(framed).bond
    assert network.poi.dispute(framed.id).escrow == bond - 5 * network.MAX_FEE
    network.check()


def test_third_digest_condemns_both_sides(network, framed):
    escalation = network.escalate(framed, 0)
    judge(network, escalation, OTHER)
    end(network, framed, escalation)
    for seat in range(3):
        network.poi.execute_slash(framed.id, seat)
    assert network.poi.dispute(framed.id).escrow == 0
    network.check()


def test_undecided_committee_is_called_again_by_anyone(network, framed, stranger):
    escalation = network.escalate(framed, 0)
    bond = network.job(framed).bond
    judge(network, escalation, TRUTH, TRUTH, TRUTH, LIE, LIE, LIE, None)
    assert network.status(escalation) == network.REFUNDED
    assert network.poi.dispute(framed.id).escrow == bond
    with boa.reverts("ProofOfInference: still open"):
        network.poi.settle(framed.id)
    again = network.convene(framed)
    with boa.reverts("ProofOfInference: no fresh committee now"):
        network.poi.convene(framed.id, sender=stranger)
    judge(network, again, TRUTH)
    end(network, framed, again)
    assert network.job(framed).winner == network.members(framed)[0].digest
    network.check()


def test_unavailable_escalation_returns_the_whole_escrow(network, framed):
    escalation = network.escalate(framed, 0)
    judge(network, escalation, None)
    assert network.poi.dispute(framed.id).escrow == network.job(framed).bond
    network.check()


def test_missed_draw_of_an_escalation_is_retried(network, framed):
    escalation = network.escalate(framed, 0)
    network.mine(259, 300)
    network.poi.expire(escalation.id)
    assert network.status(escalation) == network.REFUNDED
    network.check()
    again = network.convene(framed)
    judge(network, again, TRUTH)
    end(network, framed, again)
    assert network.status(framed) == network.SETTLED
    network.check()


def test_too_few_fresh_nodes_wait_and_lapse(network, exact):
    job = network.vote(exact, TRUTH, LIE, LIE)
    assert network.escalate(job, 0) is None
    with boa.reverts("ProofOfInference: no fresh committee now"):
        network.poi.convene(job.id)
    network.check()
    network.wait("challenge")
    with boa.reverts("ProofOfInference: still open"):
        network.poi.execute_slash(job.id, 0)
    network.wait("escalation")
    with boa.reverts("ProofOfInference: no fresh committee now"):
        network.poi.convene(job.id)
    network.poi.settle(job.id)
    assert network.status(job) == network.LAPSED
    for seat in range(3):
        with boa.reverts("ProofOfInference: nothing to slash"):
            network.poi.execute_slash(job.id, seat)
    honest = network.node_at(job, 0)
    assert network.poi.claimable(honest.vault) == network.job(job).bond
    network.check()


def test_fresh_nodes_that_come_later_are_used(network, exact):
    job = network.vote(exact, TRUTH, LIE, LIE)
    assert network.escalate(job, 0) is None
    network.add_nodes(7, exact)
    escalation = network.convene(job)
    judge(network, escalation, TRUTH)
    end(network, job, escalation)
    network.poi.execute_slash(job.id, 1)
    network.check()


def test_wrong_majority_can_appeal_and_loses_again(network, framed):
    escalation = network.escalate(framed, 0)
    judge(network, escalation, TRUTH)
    appeal = network.escalate(escalation, 1, of=framed)
    assert appeal.n == 15
    network.check()
    judge(network, appeal, TRUTH)
    network.wait("challenge")
    with boa.reverts("ProofOfInference: still open"):
        network.poi.settle(framed.id)
    for job in (appeal, escalation, framed):
        network.poi.settle(job.id)
    assert network.poi.dispute(escalation.id).escrow == 0
    network.poi.execute_slash(framed.id, 1)
    network.check()


def test_colluding_escalation_is_overturned_by_the_appeal_of_the_framed(network, caught):
    """The liar's friends sit in the majority of the fresh committee as well."""
    escalation = network.escalate(caught, 0)
    judge(network, escalation, LIE, LIE, LIE, LIE, TRUTH, TRUTH, TRUTH)
    appeal = network.escalate(escalation, 1, of=caught)
    judge(network, appeal, TRUTH)
    network.wait("challenge")
    for job in (appeal, escalation, caught):
        network.poi.settle(job.id)
    network.poi.execute_slash(caught.id, 0)
    for seat in (1, 2):
        with boa.reverts("ProofOfInference: nothing to slash"):
            network.poi.execute_slash(caught.id, seat)
    for seat in range(4):
        network.poi.execute_slash(escalation.id, seat)
    for seat in range(4, 7):
        with boa.reverts("ProofOfInference: nothing to slash"):
            network.poi.execute_slash(escalation.id, seat)
    appellant = network.node_at(caught, 1)
    assert network.poi.claimable(appellant.vault) >= network.job(escalation).bond
    network.check()


def test_one_member_escalates_once_in_a_chain(network, caught):
    escalation = network.escalate(caught, 0)
    with boa.reverts("ProofOfInference: escalated before"):
        network.escalate(caught, 0)
    judge(network, escalation, TRUTH)
    with boa.reverts("ProofOfInference: escalated before"):
        network.escalate(escalation, 0, of=caught)


def test_only_the_accused_escalate_and_only_in_time(network, framed, stranger):
    with boa.reverts("ProofOfInference: caller is not accused"):
        network.poi.escalate(framed.id, sender=stranger)
    with boa.reverts("ProofOfInference: caller is not accused"):
        network.escalate(framed, 1)
    network.wait("challenge")
    with boa.reverts("ProofOfInference: challenge is over"):
        network.escalate(framed, 0)


def test_operator_escalates_with_the_money_of_its_vault(network, framed):
    """The hot key holds gas only; what it may spend is what the vault approved."""
    operator, vault = network.operator(framed, 0), network.members(framed)[0].vault
    bond = network.job(framed).bond
    network.give(vault, bond - 1)
    with boa.reverts():
        network.poi.escalate(framed.id, sender=operator)
    network.give(vault, bond)
    before = network.joy.balanceOf(vault)
    assert network.poi.escalate(framed.id, sender=operator) == framed.id + 1
    assert network.joy.balanceOf(vault) == before - bond
    assert network.poi.dispute(framed.id).vault == vault
    network.check()


def test_undisputed_jobs_have_nothing_to_escalate_or_settle(network, court):
    job = network.vote(court, TRUTH, TRUTH, TRUTH)
    for call in (network.poi.settle, network.poi.convene, network.poi.escalate):
        with boa.reverts("ProofOfInference: job is in another status"):
            call(job.id)


def test_without_escalation_nobody_convenes(network, framed):
    with boa.reverts("ProofOfInference: no fresh committee now"):
        network.poi.convene(framed.id)


def test_lapsed_appeal_leaves_the_first_job_undecided_too(network, exact):
    """3 + 7 nodes: the fresh committee of 7 splits, and nobody is left for 15."""
    network.add_nodes(7, exact)
    job = network.vote(exact, TRUTH, LIE, LIE)
    escalation = network.escalate(job, 0)
    judge(network, escalation, LIE, LIE, LIE, LIE, TRUTH, TRUTH, None)
    assert network.escalate(escalation, 4) is None
    network.wait("escalation")
    network.poi.settle(escalation.id)
    assert network.status(escalation) == network.LAPSED
    network.poi.settle(job.id)
    assert network.status(job) == network.LAPSED
    assert network.joy.staked(network.node_at(job, 0).vault) == network.PROVISION
    network.check()
