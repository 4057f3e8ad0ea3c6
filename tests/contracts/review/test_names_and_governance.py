"""Names and DAOs, attacked across their contracts: what the review of both found and mended."""

import random
from typing import Any

import boa
import pytest

from ..domains.conftest import node_of
from ..governance.conftest import *  # noqa: F403

DAY = 86_400
YEAR = 365 * DAY
JOY = 10**18
PARENT, EXTEND = 16, 32
ZERO = "0x" + "00" * 20
SUB = "PermaNetSubnames: "
WRAPPED_ETHER = """
# pragma version ~=0.4.3
balance_of: public(HashMap[address, uint256])


@external
@payable
def deposit():
    self.balance_of[msg.sender] += msg.value


@external
def withdraw(amount: uint256):
    self.balance_of[msg.sender] -= amount
    raw_call(msg.sender, b"", value=amount)
"""


# --- DAOs


def test_treasury_takes_ether_that_its_own_proposal_unwraps(daos):
    """Ether comes back while the executor makes the call: locked out, a DAO could wrap only."""
    executor = daos.executor(1)
    wrapped = boa.loads(WRAPPED_ETHER)
    boa.env.set_balance(executor, 3 * JOY)
    calls = [
        daos.call(wrapped, "deposit", amount=2 * JOY),
        daos.call(wrapped, "withdraw", JOY),
    ]
    daos.execute(daos.passed(calls), calls)
    assert (boa.env.get_balance(executor), wrapped.balance_of(executor)) == (2 * JOY, JOY)


def test_taking_ether_opens_no_way_back_into_the_executor(at, daos, villain, joy, fund):
    """A target that is paid pays back and asks for more, all within one call of a proposal."""
    executor = at("domains/DaoExecutor.vy", daos.executor(1))
    fund(executor.address, 5 * JOY)
    boa.env.set_balance(executor.address, JOY)
    steal = joy.transfer.prepare_calldata(villain.address, JOY)
    villain.arm(
        [
            (executor.address, b""),
            (executor.address, executor.execute.prepare_calldata(joy.address, 0, steal)),
            (executor.address, executor.initialise.prepare_calldata()),
        ]
    )
    calls = [(villain.address, JOY, b"")]
    daos.execute(daos.passed(calls), calls)
    assert [outcome.succeeded for outcome in villain.outcomes()] == [True, False, False]
    assert joy.balanceOf(executor.address) == 5 * JOY
    assert executor.dao_registry() == daos.registry.address


def test_a_dao_cannot_overtake_a_reveal(daos, registry):
    """A TLD owner closes names at once: reserved words, lengths, pauses. One that is a DAO waits
    longer for it than any commitment made before lives, so it never closes a name that it saw
    in a reveal in order to take it."""
    assert daos.registry.MIN_DELAY() >= registry.MAX_COMMIT_AGE()


def test_the_dao_of_a_tld_is_the_one_that_owns_it(daos, tlds, charter, owner, guardian, tld_owner):
    """The TLD owner offers the TLD to one DAO, creates another, and lets the first accept: people
    would look up, fund and vote in a DAO that has no TLD, for ever."""
    tld = tlds.create("net", tld_owner, charter(), sender=owner)
    rules = daos.rules()
    first = daos.registry.create_dao(tld, rules, ZERO, 0, sender=tld_owner)
    tlds.propose_owner(tld, daos.executor(first), sender=tld_owner)
    second = daos.registry.create_dao(tld, rules, guardian, boa.env.timestamp, sender=tld_owner)
    assert daos.registry.dao_of(tld) == second
    daos.registry.accept_tld(first)
    assert tlds.owner_of(tld) == daos.executor(first) == daos.registry.executor_of(tld)
    with boa.reverts("TldRegistry: not the proposed owner"):
        daos.registry.accept_tld(second)
    assert daos.registry.dao_of(tld) == first


def test_a_tld_accepted_by_vote_finds_its_dao_too(daos, tlds, charter, owner, tld_owner):
    tld = tlds.create("net", tld_owner, charter(), sender=owner)
    first, second = (
        daos.registry.create_dao(tld, daos.rules(), ZERO, 0, sender=tld_owner) for _ in range(2)
    )
    tlds.propose_owner(tld, daos.executor(first), sender=tld_owner)
    calls = [daos.call(tlds, "accept_owner", tld)]
    daos.execute(daos.passed(calls, dao=first), calls)
    assert daos.registry.dao_of(tld) == second
    daos.registry.accept_tld(first)
    assert daos.registry.dao_of(tld) == first


def test_delegated_votes_of_one_stake_count_once_at_every_snapshot(daos, joy, lengths):
    """The stake goes round in the snapshot's own block; all of them vote after it."""
    proposal = daos.propose(lengths)
    snapshot = daos.registry.proposal(proposal).snapshot
    daos.blocks(snapshot - daos.registry.clock())
    members = daos.members
    for name in ("ben", "cat", "dan", "ann", "ben"):
        joy.delegate(members[name], sender=members["ann"])
    daos.blocks(1)
    with boa.reverts("PermaNetDAORegistry: no votes at the snapshot"):
        daos.vote(proposal, "ann")
    for name in ("ben", "cat", "dan"):
        daos.vote(proposal, name)
    assert daos.votes(proposal) == (0, 18_500, 0)
    assert joy.getPastTotalSupply(snapshot) == 18_500 * JOY


# --- names under names


@pytest.fixture
def give(subnames, resolver, registry, alice_joy, alice):
    """Return a function that creates a subname, under `alice.joy` unless told."""

    def _give(label, owner, *, parent=None, sender=alice, locks=0, expires_at=None):
        above = alice_joy if parent is None else parent
        until = expires_at or (
            registry.registration(alice_joy).expires_at
            if parent is None
            else subnames.tenure_of(parent).expires_at
        )
        return subnames.create(above, label, owner, resolver, until, locks, [], sender=sender)

    return _give


def test_no_right_to_extend_outlives_the_parent_that_gave_it(subnames, give, alice, bob, actor):
    """Mallory gets `pay.bob.alice.joy` with the right to extend it; alice takes `bob` back and
    gives it to carol for good. Mallory would have stayed in carol's name for as long as carol."""
    mallory, carol = actor("mallory"), actor("carol")
    soon = boa.env.timestamp + 30 * DAY
    lent = give("bob", bob, expires_at=soon)
    with boa.reverts(SUB + "parent can be taken back"):
        give("pay", mallory, parent=lent, sender=bob, locks=EXTEND)
    pay = give("pay", mallory, parent=lent, sender=bob)
    with boa.reverts(SUB + "parent can be taken back"):
        subnames.grant(pay, EXTEND, sender=bob)

    subnames.revoke(lent, sender=alice)
    give("bob", carol, locks=PARENT)
    with boa.reverts(SUB + "not the parent's live owner"):
        subnames.extend(pay, soon + 1, sender=mallory)
    subnames.revoke(pay, sender=carol)
    assert subnames.live_owner(pay) == ZERO


@pytest.mark.parametrize("seed", range(2))
def test_promises_hold_over_random_sequences(subnames, registry, names, alice_joy, actor, seed):
    """Three levels, three owners, any order: a locked subname keeps its owner, its time and its
    promises until it expires; its parent outlives it and cannot be taken back, and so for one
    that may extend itself."""
    rng = random.Random(seed)
    owners = [actor(f"owner {i}") for i in range(3)]
    x, xx = node_of("x", alice_joy), node_of("x", node_of("x", alice_joy))
    parents = {x: alice_joy, xx: x, node_of("x", xx): xx, node_of("y", xx): xx}
    labels = dict(zip(parents, "xxxy", strict=True))
    holders = {alice_joy: registry} | dict.fromkeys(parents, subnames)
    promised: dict[bytes, Any] = {}
    done = dict.fromkeys(("create", "revoke", "grant", "extend"), 0)
    for _ in range(250):
        node = rng.choice(list(parents))
        above = holders[parents[node]].tenure_of(parents[node])
        until = min(above.expires_at, boa.env.timestamp + rng.randrange(1, 20) * DAY)
        locks = rng.choice([0, 0, 0, PARENT, EXTEND, PARENT | EXTEND])
        arguments = {
            "create": (parents[node], labels[node], rng.choice(owners), ZERO, until, locks, []),
            "revoke": (node,),
            "grant": (node, locks or PARENT),
            "extend": (node, until),
        }
        act = rng.choice(["create", "create", *done])
        sender = above.owner if rng.random() < 0.8 else rng.choice(owners)
        try:
            getattr(subnames, act)(*arguments[act], sender=sender)
            done[act] += 1
        except boa.BoaError:
            pass  # most are refused; what is not must break no promise
        names.at(boa.env.timestamp + rng.randrange(2) * DAY // 2)
        for child, parent in parents.items():
            found = subnames.tenure_of(child)
            _check_kept(found, promised.pop(child, None))
            if found.is_live and found.locks & (PARENT | EXTEND):
                promised[child] = found
                above = holders[parent].tenure_of(parent)
                assert above.is_live
                assert above.expires_at >= found.expires_at
                assert parent == alice_joy or above.locks & PARENT
    assert min(done.values()) >= 3, done


def _check_kept(found, before):
    """What was locked before, and would still last, is as it was or lasts longer."""
    if before is None or not before.locks & PARENT or boa.env.timestamp >= before.expires_at:
        return
    assert (found.owner, found.generation) == (before.owner, before.generation)
    assert found.expires_at >= before.expires_at
    assert found.locks & before.locks == before.locks
