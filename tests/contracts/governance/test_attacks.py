"""Attackers on DAOs. Each test says what the attacker hopes for, and sees it fail."""

import boa
import pytest

DAY = 86_400
YEAR = 365 * DAY
JOY = 10**18
AGAINST, FOR, ABSTAIN = range(3)
PENDING, ACTIVE, CANCELLED, DEFEATED, SUCCEEDED, QUEUED, EXPIRED, EXECUTED = range(8)
DIGEST = b"\xd1" * 32
ZERO = "0x" + "00" * 20
DAO = "PermaNetDAORegistry: "


def succeeded(attacker):
    return [outcome.succeeded for outcome in attacker.outcomes()]


# --- votes that are not there


def test_flash_stake_neither_votes_nor_proposes(daos, villain, joy, lengths):
    """Stake, act, unstake in one transaction."""
    proposal = daos.propose(lengths)
    daos.open(proposal)
    vote = daos.registry.vote.prepare_calldata(proposal, FOR)
    propose = daos.registry.propose.prepare_calldata(1, lengths, DIGEST)
    for data in (vote, propose):
        villain.arm([])
        villain.stake_and_vote(joy, 10_000 * JOY, daos.registry, data)
        assert succeeded(villain) == [False]
    assert daos.votes(proposal) == (0, 0, 0)


def test_flash_stake_in_the_snapshot_block_counts_zero(daos, villain, joy, lengths):
    """The snapshot is the end of its block: what was unstaked in it is not there."""
    proposal = daos.propose(lengths)
    snapshot = daos.registry.proposal(proposal).snapshot
    daos.blocks(snapshot - daos.registry.clock())
    villain.stake_and_vote(joy, 10_000 * JOY, daos.registry, b"")
    daos.blocks(1)
    with boa.reverts(DAO + "no votes at the snapshot"):
        daos.registry.vote(proposal, FOR, sender=villain.address)


def test_stake_bought_after_the_snapshot_counts_zero(daos, stake, stranger, lengths):
    proposal = daos.propose(lengths)
    daos.open(proposal)
    stake(stranger, 100_000 * JOY)
    daos.blocks(3)
    with boa.reverts(DAO + "no votes at the snapshot"):
        daos.registry.vote(proposal, FOR, sender=stranger)


def test_delegated_stake_votes_once(daos, joy, lengths):
    """Ann votes, delegates to Dan, and he votes: with what he had at the snapshot."""
    proposal = daos.propose(lengths)
    daos.open(proposal)
    daos.vote(proposal, "ann")
    joy.delegate(daos.members["dan"], sender=daos.members["ann"])
    daos.blocks(2)
    assert daos.vote(proposal, "dan") == 500 * JOY
    assert daos.votes(proposal) == (0, 10_500, 0)


def test_stake_that_moves_on_votes_once(daos, joy, lengths, stranger):
    """Ann votes, unstakes, gives the tokens to a friend, who stakes and votes."""
    proposal = daos.propose(lengths)
    daos.open(proposal)
    daos.vote(proposal, "ann")
    joy.request_unstake(10_000 * JOY, sender=daos.members["ann"])
    boa.env.timestamp += 14 * DAY
    joy.withdraw_unstaked(0, sender=daos.members["ann"])
    joy.transfer(stranger, 10_000 * JOY, sender=daos.members["ann"])
    joy.stake(10_000 * JOY, sender=stranger)
    daos.blocks(1)
    with boa.reverts(DAO + "no votes at the snapshot"):
        daos.registry.vote(proposal, FOR, sender=stranger)


def test_votes_never_exceed_the_stake_at_the_snapshot(daos, joy, lengths):
    proposal = daos.propose(lengths)
    daos.open(proposal)
    for name in daos.members:
        daos.vote(proposal, name)
    snapshot = daos.registry.proposal(proposal).snapshot
    assert sum(daos.votes(proposal)) * JOY == joy.getPastTotalSupply(snapshot)


# --- one DAO against another


def test_proposal_of_one_dao_cannot_touch_the_tld_of_another(daos, tlds):
    other = tlds.node_at(2)
    before = tlds.tld_of(other)
    for function, args in (
        ("set_prices", (other, [2 * price for price in before.prices])),
        ("set_lengths", (other, 5, 63)),
        ("set_split", (other, 0, 0)),
        ("set_reserved", (other, ["x"], True)),
        ("propose_owner", (other, daos.executor(1))),
    ):
        with boa.env.anchor():
            calls = [daos.call(tlds, function, *args)]
            proposal = daos.passed(calls)
            with boa.reverts("TldRegistry: caller is not the TLD owner"):
                daos.execute(proposal, calls)
            assert daos.state(proposal) == QUEUED
    assert tlds.tld_of(other) == before


def test_proposal_of_one_dao_cannot_take_the_treasury_of_another(at, daos, joy, fund):
    """Through its executor, through the token, or through the DAO registry."""
    mine, theirs = daos.executor(1), daos.executor(2)
    fund(theirs, 1_000 * JOY)
    boa.env.set_balance(theirs, 10**18)
    executor = at("domains/DaoExecutor.vy", theirs)
    transfer = joy.transfer.prepare_calldata(mine, JOY)
    for calls, reason in (
        (
            [daos.call(executor, "execute", joy.address, 0, transfer)],
            "DaoExecutor: caller is not the DAO registry",
        ),
        (
            [daos.call(executor, "execute", mine, 10**18, b"")],
            "DaoExecutor: caller is not the DAO registry",
        ),
        ([daos.call(executor, "initialise")], "DaoExecutor: already initialised"),
        ([daos.call(joy, "transferFrom", theirs, mine, JOY)], "JoyToken: insufficient allowance"),
        (
            [daos.call(daos.registry, "set_rules", 2, daos.rules())],
            DAO + "caller is not the executor",
        ),
        (
            [daos.call(daos.registry, "retire_guardian", 2)],
            DAO + "may not retire the guardian",
        ),
    ):
        with boa.env.anchor():
            proposal = daos.passed(calls)
            with boa.reverts(reason):
                daos.execute(proposal, calls)
    assert joy.balanceOf(theirs) == 1_000 * JOY
    assert boa.env.get_balance(theirs) == 10**18


def test_calls_voted_by_one_dao_do_not_execute_for_another(daos, lengths):
    """The same calls and text in both DAOs: each runs as its own executor only."""
    proposal = daos.passed(lengths, dao=2)
    with boa.reverts("TldRegistry: caller is not the TLD owner"):
        daos.execute(proposal, lengths)


def test_executor_obeys_its_registry_only(at, daos, joy, stranger):
    executor = at("domains/DaoExecutor.vy", daos.executor(1))
    assert executor.dao_registry() == daos.registry.address
    for account in (stranger, daos.members["ann"], daos.executor(2), daos.executor(1)):
        with boa.reverts("DaoExecutor: caller is not the DAO registry"):
            executor.execute(joy.address, 0, b"", sender=account)
        with boa.reverts("DaoExecutor: already initialised"):
            executor.initialise(sender=account)
    code = at("domains/DaoExecutor.vy", daos.registry.EXECUTOR_CODE())
    with boa.reverts("DaoExecutor: already initialised"):
        code.initialise(sender=stranger)
    with boa.reverts("DaoExecutor: caller is not the DAO registry"):
        code.execute(joy.address, 0, b"", sender=stranger)


# --- execution


def test_executes_once(daos, lengths):
    proposal = daos.passed(lengths)
    daos.execute(proposal, lengths)
    with boa.reverts(DAO + "not queued"):
        daos.execute(proposal, lengths)
    with boa.reverts(DAO + "it is over"):
        daos.registry.cancel(proposal, sender=daos.members["ann"])


def test_target_cannot_reenter_the_dao_registry(daos, villain, joy, fund, lengths):
    """It is paid by a proposal and tries to be paid again, to vote, and to queue another."""
    fund(daos.executor(1), 100 * JOY)
    pay = daos.call(joy, "transfer", villain.address, JOY)
    calls = [pay, daos.call(villain, "poke")]
    proposal = daos.passed(calls)
    other = daos.propose(lengths)
    daos.open(other)
    registry = daos.registry
    villain.arm(
        [
            (registry.address, registry.execute.prepare_calldata(proposal, calls, DIGEST)),
            (registry.address, registry.vote.prepare_calldata(other, FOR)),
            (registry.address, registry.set_rules.prepare_calldata(1, daos.rules())),
            (registry.address, registry.cancel.prepare_calldata(other)),
        ]
    )
    before = joy.balanceOf(villain.address)
    daos.execute(proposal, calls)
    assert succeeded(villain) == [False] * 4
    assert joy.balanceOf(villain.address) - before == JOY


def test_receiver_of_ether_cannot_reenter(daos, villain):
    boa.env.set_balance(daos.executor(1), 10 * JOY)
    calls = [(villain.address, JOY, b"")]
    proposal = daos.passed(calls)
    registry = daos.registry
    villain.arm([(registry.address, registry.execute.prepare_calldata(proposal, calls, DIGEST))])
    daos.execute(proposal, calls)
    assert succeeded(villain) == [False]
    assert boa.env.get_balance(daos.executor(1)) == 9 * JOY


def test_one_failing_call_undoes_all_with_its_reason(daos, villain, lengths, tlds):
    """The proposal stays queued: what was refused today may work tomorrow."""
    calls = [*lengths, daos.call(villain, "fail", "Villain: because I can")]
    proposal = daos.passed(calls)
    with boa.reverts("Villain: because I can"):
        daos.execute(proposal, calls)
    assert tlds.tld_of(tlds.node_at(1)).min_length == 1
    assert daos.state(proposal) == QUEUED


def test_refused_ether_hurts_its_own_proposal_only(daos, villain, lengths):
    boa.env.set_balance(daos.executor(1), JOY)
    calls = [(villain.address, JOY, b"")]
    proposal, other = daos.passed(calls), daos.passed(lengths)
    villain.set_refuses_ether(True)
    with boa.reverts("GovernanceAttacker: no ether please"):
        daos.execute(proposal, calls)
    daos.execute(other, lengths)
    villain.set_refuses_ether(False)
    daos.execute(proposal, calls)
    assert boa.env.get_balance(villain.address) == JOY


def test_call_to_no_code_is_not_taken_for_a_success(daos, stranger):
    calls = [(stranger, 0, b"\1\2\3\4")]
    proposal = daos.passed(calls)
    with boa.reverts("DaoExecutor: no code at target"):
        daos.execute(proposal, calls)


def test_proposal_can_own_sell_and_renew_names(daos, names, joy, fund, registry, alice):
    """A reserved word goes to the DAO, which gives it away: calls of a proposal re-enter the
    domain registry and its receiver, and nothing breaks."""
    executor = daos.executor(1)
    node = names.register("alice", alice)
    registry.safeTransferFrom(alice, executor, names.token_id("alice"), sender=alice)
    assert registry.live_owner(node) == executor
    fund(executor, 1_000 * JOY)
    price = registry.quote("alice", names.tld, YEAR)
    calls = [
        daos.call(joy, "approve", registry.address, price),
        daos.call(registry, "renew", "alice", names.tld, YEAR, price),
        daos.call(registry, "transferFrom", executor, alice, names.token_id("alice")),
    ]
    proposal = daos.passed(calls)
    daos.execute(proposal, calls)
    assert registry.live_owner(node) == alice


# --- guardians


def test_guardian_cancels_until_its_term_ends_and_not_after(daos, lengths, guardian):
    until = daos.registry.dao(1).guardian_until
    first, second = daos.passed(lengths), daos.propose(lengths)
    daos.registry.cancel(first, sender=guardian)
    assert daos.state(first) == CANCELLED
    boa.env.timestamp = until - 1
    with boa.env.anchor():
        daos.registry.cancel(second, sender=guardian)
    boa.env.timestamp = until
    with boa.reverts(DAO + "may not cancel"):
        daos.registry.cancel(second, sender=guardian)


def test_guardian_can_do_nothing_else(daos, lengths, guardian):
    for call in (
        lambda: daos.registry.set_rules(1, daos.rules(), sender=guardian),
        lambda: daos.registry.propose(1, lengths, DIGEST, sender=guardian),
        lambda: daos.registry.create_dao(
            daos.tlds.node_at(1), daos.rules(), guardian, 0, sender=guardian
        ),
    ):
        with boa.reverts():
            call()


def test_retired_guardian_has_no_power(daos, lengths, guardian, stranger):
    with boa.reverts(DAO + "may not retire the guardian"):
        daos.registry.retire_guardian(1, sender=stranger)
    calls = [daos.call(daos.registry, "retire_guardian", 1)]
    proposal = daos.passed(calls)
    daos.execute(proposal, calls)
    second = daos.propose(lengths)
    with boa.reverts(DAO + "may not cancel"):
        daos.registry.cancel(second, sender=guardian)
    with boa.reverts(DAO + "no guardian"):
        daos.registry.retire_guardian(1, sender=guardian)
    daos.registry.retire_guardian(2, sender=guardian)
    assert daos.registry.dao(2).guardian == ZERO


def test_no_guardian_is_nobody(daos, lengths, tlds, owner, charter, tld_owner):
    """The zero address with a term would be a guardian."""
    tld = tlds.create("net", tld_owner, charter(), sender=owner)
    until = boa.env.timestamp + DAY
    with boa.reverts(DAO + "guardian term without a guardian"):
        daos.registry.create_dao(tld, daos.rules(), ZERO, until, sender=tld_owner)
    daos.registry.create_dao(tld, daos.rules(), ZERO, 0, sender=tld_owner)
    proposal = daos.propose(lengths, dao=3)
    with boa.reverts(DAO + "may not cancel"):
        daos.registry.cancel(proposal, sender=ZERO)


# --- creation


def test_only_the_tld_owner_creates_a_dao(
    daos, tlds, owner, charter, guardian, tld_owner, stranger
):
    tld = tlds.create("net", tld_owner, charter(), sender=owner)
    for account in (stranger, owner, guardian):
        with boa.reverts(DAO + "caller is not the TLD owner"):
            daos.registry.create_dao(tld, daos.rules(), guardian, 0, sender=account)
    with boa.reverts(DAO + "caller is not the TLD owner"):
        daos.registry.create_dao(b"\1" * 32, daos.rules(), guardian, 0, sender=stranger)
    longest = boa.env.timestamp + 365 * DAY
    with boa.reverts(DAO + "guardian term too long"):
        daos.registry.create_dao(tld, daos.rules(), guardian, longest + 1, sender=tld_owner)
    assert daos.registry.create_dao(tld, daos.rules(), guardian, longest, sender=tld_owner) == 3
    assert daos.registry.executor_of(tld) == daos.executor(3)


def test_a_dao_that_never_got_its_tld_can_be_replaced(
    daos, tlds, owner, charter, guardian, tld_owner
):
    tld = tlds.create("net", tld_owner, charter(), sender=owner)
    first = daos.registry.create_dao(tld, daos.rules(), guardian, 0, sender=tld_owner)
    with boa.reverts("TldRegistry: not the proposed owner"):
        daos.registry.accept_tld(first)
    second = daos.registry.create_dao(tld, daos.rules(), guardian, 0, sender=tld_owner)
    assert daos.registry.dao_of(tld) == second == first + 1
    tlds.propose_owner(tld, daos.executor(second), sender=tld_owner)
    daos.registry.accept_tld(second)
    with boa.reverts(DAO + "caller is not the TLD owner"):
        daos.registry.create_dao(tld, daos.rules(), guardian, 0, sender=tld_owner)


@pytest.mark.parametrize("missing", range(3))
def test_bad_deployment_reverts(deploy, daos, joy, tlds, stranger, missing):
    arguments = [joy.address, tlds.address, daos.registry.EXECUTOR_CODE()]
    arguments[missing] = stranger
    reason = ("no token", "no TLD registry", "no executor code")[missing]
    with boa.reverts(DAO + reason):
        deploy("domains/PermaNetDAORegistry.vy", *arguments)
