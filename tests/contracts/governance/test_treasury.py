"""What a DAO holds: its part of the rent, JOY, ether, names; out by executed proposals only."""

import boa
import pytest
from eth.exceptions import Revert

JOY = 10**18
YEAR = 365 * 86_400
OWNER_BPS, BURN_BPS = 4_000, 1_000
RECEIVED = bytes.fromhex("150b7a02")


def test_rent_flows_to_the_treasury_and_out_by_vote(daos, names, registry, joy, alice, stranger):
    executor = daos.executor(1)
    names.register("alice", alice)
    rent = joy.balanceOf(registry)
    registry.settle(names.tld, OWNER_BPS, BURN_BPS)
    part = rent * OWNER_BPS // 10_000
    assert registry.claimable(executor) == part
    while registry.claimable(executor):
        boa.env.timestamp += 86_400
        registry.claim(executor, sender=stranger)
    assert joy.balanceOf(executor) == part
    calls = [daos.call(joy, "transfer", stranger, part - 1)]
    proposal = daos.passed(calls)
    daos.execute(proposal, calls)
    assert (joy.balanceOf(executor), joy.balanceOf(stranger)) == (1, part - 1)


def test_ether_comes_in_freely_and_out_by_vote(at, daos, stranger):
    executor = at("domains/DaoExecutor.vy", daos.executor(1))
    boa.env.set_balance(stranger, 2 * JOY)
    boa.env.raw_call(executor.address, value=JOY, sender=stranger)
    assert boa.env.get_balance(executor.address) == JOY
    calls = [(stranger, JOY, b"")]
    proposal = daos.passed(calls)
    daos.execute(proposal, calls)
    assert boa.env.get_balance(stranger) == 2 * JOY
    assert boa.env.get_balance(daos.registry.address) == 0


def test_executor_has_no_other_function(daos):
    with pytest.raises(Revert, match="DaoExecutor: no such function"):
        boa.env.raw_call(daos.executor(1), data=b"\1\2\3\4")


def test_executor_keeps_tokens_sent_to_it(at, daos, stranger):
    executor = at("domains/DaoExecutor.vy", daos.executor(1))
    assert executor.onERC721Received(stranger, stranger, 1, b"") == RECEIVED


@pytest.mark.parametrize("count", [1, 8])
def test_up_to_eight_calls_in_their_order(daos, joy, fund, stranger, count):
    fund(daos.executor(1), 8 * JOY)
    calls = [daos.call(joy, "transfer", stranger, JOY)] * count
    proposal = daos.passed(calls)
    daos.execute(proposal, calls)
    assert joy.balanceOf(stranger) == count * JOY


def test_treasury_can_stake_and_vote_in_its_own_name(daos, joy, fund, lengths):
    """A DAO is a member like any other: what it votes, it must have voted on before."""
    fund(daos.executor(1), 100 * JOY)
    calls = [daos.call(joy, "approve", joy.address, 0), daos.call(joy, "stake", 100 * JOY)]
    daos.execute(daos.passed(calls), calls)
    assert joy.staked(daos.executor(1)) == 100 * JOY
