"""Proposals from their first block to their last second."""

import boa
import pytest
from eth_abi import encode
from eth_utils import keccak

DAY = 86_400
JOY = 10**18
AGAINST, FOR, ABSTAIN = range(3)
PENDING, ACTIVE, CANCELLED, DEFEATED, SUCCEEDED, QUEUED, EXPIRED, EXECUTED = range(8)
DIGEST = b"\xd1" * 32
DAO = "PermaNetDAORegistry: "
TLDS = "TldRegistry: "


def test_a_whole_life_changes_a_price_band(daos, tlds):
    tld = tlds.node_at(1)
    prices = [2 * price for price in tlds.tld_of(tld).prices]
    calls = [daos.call(tlds, "set_prices", tld, prices)]
    start = daos.registry.clock()
    proposal = daos.propose(calls)
    found = daos.registry.proposal(proposal)
    assert (found.dao_id, found.proposer) == (1, daos.members["ann"])
    assert (found.snapshot, found.deadline) == (start + 5, start + 55)
    assert daos.state(proposal) == PENDING
    daos.open(proposal)
    assert daos.state(proposal) == ACTIVE
    assert daos.vote(proposal, "ann") == 10_000 * JOY
    daos.vote(proposal, "ben", AGAINST)
    daos.vote(proposal, "cat", ABSTAIN)
    assert daos.votes(proposal) == (5_000, 10_000, 3_000)
    assert daos.registry.quorum(proposal) == 18_500 * JOY // 5
    daos.close(proposal)
    assert daos.state(proposal) == SUCCEEDED
    ready_at = daos.registry.queue(proposal)
    assert ready_at == boa.env.timestamp + 2 * DAY
    assert daos.state(proposal) == QUEUED
    with boa.reverts(DAO + "delay not over"):
        daos.execute(proposal, calls)
    boa.env.timestamp = ready_at - 1
    with boa.reverts(DAO + "delay not over"):
        daos.execute(proposal, calls)
    boa.env.timestamp = ready_at
    daos.execute(proposal, calls)
    assert daos.state(proposal) == EXECUTED
    assert tlds.tld_of(tld).next_prices == prices


def test_voting_is_open_from_snapshot_to_deadline_exactly(daos, lengths):
    proposal = daos.propose(lengths)
    found = daos.registry.proposal(proposal)
    daos.blocks(found.snapshot - daos.registry.clock())
    with boa.reverts(DAO + "not active"):
        daos.vote(proposal, "ann")
    daos.blocks(1)
    daos.vote(proposal, "ann")
    daos.blocks(found.deadline - daos.registry.clock())
    daos.vote(proposal, "ben")
    daos.blocks(1)
    with boa.reverts(DAO + "not active"):
        daos.vote(proposal, "cat")


def test_defeated_by_votes_tie_or_missing_quorum(daos, lengths):
    for votes in (
        {"ann": AGAINST, "ben": FOR},
        {"cat": FOR},  # 3,000 of the 3,700 that a quorum takes
        {"ann": ABSTAIN},
        {},
    ):
        with boa.env.anchor():
            proposal = daos.propose(lengths)
            daos.open(proposal)
            for name, support in votes.items():
                daos.vote(proposal, name, support)
            daos.close(proposal)
            assert daos.state(proposal) == DEFEATED
            with boa.reverts(DAO + "did not succeed"):
                daos.registry.queue(proposal)


def test_tie_is_a_defeat(daos, lengths, stake, actor):
    twin = actor("twin")
    stake(twin, 10_000 * JOY)
    proposal = daos.propose(lengths)
    daos.open(proposal)
    daos.vote(proposal, "ann")
    daos.registry.vote(proposal, AGAINST, sender=twin)
    daos.close(proposal)
    assert daos.state(proposal) == DEFEATED


def test_abstaining_helps_the_quorum_only(daos, lengths):
    proposal = daos.propose(lengths)
    daos.open(proposal)
    daos.vote(proposal, "dan")
    daos.vote(proposal, "ben", ABSTAIN)
    daos.close(proposal)
    assert daos.state(proposal) == SUCCEEDED


def test_quorum_is_asked_for_after_the_snapshot_only(daos, lengths):
    proposal = daos.propose(lengths)
    with boa.reverts("checkpoints: block not over"):
        daos.registry.quorum(proposal)


def test_queued_proposal_expires_after_its_grace(daos, lengths):
    proposal = daos.passed(lengths)
    boa.env.timestamp += 7 * DAY
    assert daos.state(proposal) == QUEUED
    boa.env.timestamp += 1
    assert daos.state(proposal) == EXPIRED
    with boa.reverts(DAO + "not queued"):
        daos.execute(proposal, lengths)
    with boa.reverts(DAO + "did not succeed"):
        daos.registry.queue(proposal)
    with boa.reverts(DAO + "it is over"):
        daos.registry.cancel(proposal, sender=daos.members["ann"])


def test_late_quorum_keeps_voting_open_once(daos, lengths):
    proposal = daos.propose(lengths)
    daos.open(proposal)
    daos.vote(proposal, "cat")
    deadline = daos.registry.proposal(proposal).deadline
    daos.blocks(deadline - daos.registry.clock())
    daos.vote(proposal, "ann")
    (event,) = [e for e in daos.registry.get_logs() if type(e).__name__ == "DeadlineExtended"]
    assert event.deadline == deadline + 20 == daos.registry.proposal(proposal).deadline
    daos.blocks(20)
    daos.vote(proposal, "ben", AGAINST)
    assert daos.registry.proposal(proposal).deadline == deadline + 20
    daos.vote(proposal, "dan")
    assert daos.registry.proposal(proposal).deadline == deadline + 20


def test_early_quorum_or_votes_against_extend_nothing(daos, lengths):
    proposal = daos.propose(lengths)
    daos.open(proposal)
    deadline = daos.registry.proposal(proposal).deadline
    daos.blocks(29)  # the vote after this is 20 blocks before the end
    daos.vote(proposal, "ann")
    daos.blocks(20)
    daos.vote(proposal, "ben", AGAINST)
    assert daos.registry.proposal(proposal).deadline == deadline


def test_nothing_executes_that_was_not_voted_for(daos, lengths):
    calls = [daos.call(daos.tlds, "set_lengths", daos.tlds.node_at(1), 4, 63)]
    proposal = daos.passed(lengths)
    for other, digest in (
        (calls, DIGEST),
        (lengths, b"\1" * 32),
        (lengths * 2, DIGEST),
        ([], DIGEST),
    ):
        with boa.reverts(DAO + "not the calls proposed"):
            daos.execute(proposal, other, digest)
    assert daos.registry.proposal(proposal).calls_hash == daos.registry.hash_calls(lengths, DIGEST)
    types = ["(address,uint256,bytes)[]", "bytes32"]
    assert daos.registry.hash_calls(lengths, DIGEST) == keccak(encode(types, [lengths, DIGEST]))


def test_unqueued_or_unknown_proposals_do_not_execute(daos, lengths):
    proposal = daos.propose(lengths)
    with boa.reverts(DAO + "not queued"):
        daos.execute(proposal, lengths)
    daos.open(proposal)
    daos.vote(proposal, "ann")
    daos.close(proposal)
    with boa.reverts(DAO + "not queued"):
        daos.execute(proposal, lengths)
    for call in (
        lambda: daos.execute(9, lengths),
        lambda: daos.registry.queue(9),
        lambda: daos.registry.cancel(9),
        lambda: daos.registry.state(9),
        lambda: daos.vote(9, "ann"),
    ):
        with boa.reverts(DAO + "no such proposal"):
            call()


def test_proposing_takes_the_threshold_at_the_last_block(daos, lengths, stake, actor):
    with boa.reverts(DAO + "votes below the threshold"):
        daos.propose(lengths, by="dan")
    newcomer = actor("newcomer")
    stake(newcomer, 1_000 * JOY)
    with boa.reverts(DAO + "votes below the threshold"):
        daos.registry.propose(1, lengths, DIGEST, sender=newcomer)
    daos.blocks(1)
    daos.registry.propose(1, lengths, DIGEST, sender=newcomer)


def test_bad_proposals_revert(daos, lengths):
    with boa.reverts(DAO + "no calls"):
        daos.propose([])
    with boa.reverts(DAO + "no such DAO"):
        daos.propose(lengths, dao=3)
    with boa.reverts(DAO + "no such DAO"):
        daos.registry.accept_tld(0)


def test_bad_votes_revert(daos, lengths, stranger):
    proposal = daos.propose(lengths)
    daos.open(proposal)
    with boa.reverts(DAO + "no such vote"):
        daos.vote(proposal, "ann", 3)
    with boa.reverts(DAO + "no votes at the snapshot"):
        daos.registry.vote(proposal, FOR, sender=stranger)
    daos.vote(proposal, "ann")
    assert daos.registry.has_voted(proposal, daos.members["ann"])
    with boa.reverts(DAO + "has voted"):
        daos.vote(proposal, "ann", AGAINST)


def test_proposer_cancels_before_voting_only(daos, lengths):
    first, second = daos.propose(lengths), daos.propose(lengths)
    daos.registry.cancel(first, sender=daos.members["ann"])
    assert daos.state(first) == CANCELLED
    daos.open(second)
    with boa.reverts(DAO + "may not cancel"):
        daos.registry.cancel(second, sender=daos.members["ann"])
    with boa.reverts(DAO + "it is over"):
        daos.registry.cancel(first, sender=daos.members["ann"])


def test_anyone_cancels_for_a_proposer_below_the_threshold(daos, lengths, joy, stranger):
    proposal = daos.passed(lengths)
    with boa.reverts(DAO + "may not cancel"):
        daos.registry.cancel(proposal, sender=stranger)
    joy.request_unstake(9_001 * JOY, sender=daos.members["ann"])
    with boa.reverts(DAO + "may not cancel"):
        daos.registry.cancel(proposal, sender=stranger)
    daos.blocks(1)
    daos.registry.cancel(proposal, sender=stranger)
    with boa.reverts(DAO + "not queued"):
        daos.execute(proposal, lengths)


def test_rules_are_those_of_when_a_proposal_was_made(daos, lengths):
    changed = daos.rules(
        quorum_bps=10_000, execution_delay=DAY, voting_period=10, late_quorum_extension=0
    )
    amend = [daos.call(daos.registry, "set_rules", 1, changed)]
    first = daos.passed(amend)
    second = daos.propose(lengths)
    daos.execute(first, amend)
    assert daos.registry.dao(1).rules == changed
    assert daos.registry.dao(2).rules == daos.registry.rules_of(second) == daos.rules()
    daos.open(second)
    daos.vote(second, "ann")
    daos.close(second)
    assert daos.registry.queue(second) == boa.env.timestamp + 2 * DAY
    third = daos.propose(lengths)
    daos.open(third)
    daos.vote(third, "ann")
    daos.close(third)
    assert daos.state(third) == DEFEATED


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"voting_delay": 0}, "voting delay out of range"),
        ({"voting_delay": 20_000_001}, "voting delay out of range"),
        ({"voting_period": 9}, "voting period out of range"),
        ({"voting_period": 2**255}, "voting period out of range"),
        ({"late_quorum_extension": 51}, "late quorum extension out of range"),
        ({"execution_delay": 0}, "execution delay out of range"),
        ({"execution_delay": DAY - 1}, "execution delay out of range"),
        ({"execution_delay": 30 * DAY + 1}, "execution delay out of range"),
        ({"grace_period": DAY - 1}, "grace period out of range"),
        ({"grace_period": 30 * DAY + 1}, "grace period out of range"),
        ({"proposal_threshold": 0}, "threshold out of range"),
        ({"proposal_threshold": 10**25 + 1}, "threshold out of range"),
        ({"quorum_bps": 399}, "quorum out of range"),
        ({"quorum_bps": 10_001}, "quorum out of range"),
    ],
)
def test_no_vote_passes_the_constants(daos, guardian, changed, reason):
    """Neither a creator nor a unanimous vote."""
    calls = [daos.call(daos.registry, "set_rules", 1, daos.rules(**changed))]
    proposal = daos.passed(calls)
    with boa.reverts(DAO + reason):
        daos.execute(proposal, calls)
    with boa.env.prank(daos.executor(1)), boa.reverts(DAO + reason):
        daos.registry.create_dao(daos.tlds.node_at(1), daos.rules(**changed), guardian, 0)


def test_extreme_rules_are_kept_exactly(daos):
    most = (20_000_000, 20_000_000, 20_000_000, 30 * DAY, 30 * DAY, 10**25, 10_000)
    least = (1, 10, 0, DAY, DAY, 1, 400)
    for rules in (most, least):
        daos.registry.set_rules(1, rules, sender=daos.executor(1))
        assert daos.registry.dao(1).rules == rules


def test_clock_is_the_block_number(daos):
    assert daos.registry.clock() == boa.env.evm.patch.block_number
    assert daos.registry.CLOCK_MODE() == "mode=blocknumber&from=default"
