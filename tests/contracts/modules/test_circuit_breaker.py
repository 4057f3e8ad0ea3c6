"""circuit_breaker: pauses end, clocks stop meanwhile, outflow is delayed but never lost."""

import boa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

DAY = 86_400
MAX_PAUSE = 3 * DAY
COOLDOWN = 7 * DAY
FLOOR = 100  # units, as in conftest


def start_of_next_day():
    boa.env.timestamp += DAY - boa.env.timestamp % DAY


@pytest.fixture
def paused(harness, guardian):
    harness.pause(sender=guardian)
    return harness


def test_pause_stops_new_business_and_expires_by_itself(paused, stranger):
    assert paused.paused()
    assert paused.paused_until() == boa.env.timestamp + MAX_PAUSE
    boa.env.timestamp += MAX_PAUSE - 1
    with boa.reverts("circuit_breaker: paused"):
        paused.put_in(1, sender=stranger)
    boa.env.timestamp += 1
    assert not paused.paused()
    paused.put_in(1, sender=stranger)


def test_exit_works_during_a_pause(harness, guardian, client):
    harness.put_in(50, sender=client)
    harness.pause(sender=guardian)
    assert harness.take_out(sender=client) == 50


def test_owner_can_pause_and_guardian_can_unpause(harness, owner, guardian, stranger):
    harness.pause(sender=owner)
    harness.unpause(sender=guardian)
    harness.put_in(1, sender=stranger)
    with boa.reverts("circuit_breaker: not paused"):
        harness.unpause(sender=guardian)


@pytest.mark.parametrize("function", ["pause", "unpause"])
def test_pause_by_stranger_reverts(paused, stranger, function):
    with boa.reverts("circuit_breaker: caller is not the guardian"):
        getattr(paused, function)(sender=stranger)


def test_pauses_cannot_be_chained(paused, guardian, owner):
    with boa.reverts("circuit_breaker: cooling down"):
        paused.pause(sender=owner)
    boa.env.timestamp += MAX_PAUSE + COOLDOWN - 1
    with boa.reverts("circuit_breaker: cooling down"):
        paused.pause(sender=guardian)
    boa.env.timestamp += 1
    paused.pause(sender=guardian)


def test_early_unpause_cools_down_from_its_end(paused, guardian):
    boa.env.timestamp += 60
    paused.unpause(sender=guardian)
    boa.env.timestamp += COOLDOWN - 1
    with boa.reverts("circuit_breaker: cooling down"):
        paused.pause(sender=guardian)
    boa.env.timestamp += 1
    paused.pause(sender=guardian)


def test_deadline_stands_still_while_paused(harness, guardian):
    harness.start_deadline(100)
    boa.env.timestamp += 40
    harness.pause(sender=guardian)
    boa.env.timestamp += MAX_PAUSE - 1
    assert harness.paused_seconds() == MAX_PAUSE - 1
    boa.env.timestamp += 60  # the pause ended 59 seconds ago: 99 of 100 seconds ran
    assert not harness.is_deadline_over()
    boa.env.timestamp += 1
    assert harness.is_deadline_over()
    assert harness.paused_seconds() == MAX_PAUSE


def test_pauses_add_up(harness, guardian):
    for count in range(1, 4):
        harness.pause(sender=guardian)
        boa.env.timestamp += MAX_PAUSE + COOLDOWN
        assert harness.paused_seconds() == count * MAX_PAUSE


@settings(max_examples=15, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.integers(0, 12 * DAY), st.sampled_from(["pause", "unpause"])), max_size=8
    )
)
def test_paused_seconds_equal_the_seconds_spent_paused(deploy_harness, guardian, steps):
    harness = deploy_harness()
    pauses = []  # [start, end) of each, unix seconds
    for wait, step in steps:
        boa.env.timestamp += wait
        now = boa.env.timestamp
        end = pauses[-1][1] if pauses else None
        is_paused = end is not None and now < end
        if step == "unpause" and is_paused:
            harness.unpause(sender=guardian)
            pauses[-1][1] = now
        if step == "pause" and (end is None or now >= end + COOLDOWN):
            harness.pause(sender=guardian)
            pauses.append([now, now + MAX_PAUSE])
        spent = sum(min(now, end) - start for start, end in pauses)
        assert harness.paused_seconds() == spent


def test_guardian_is_replaced_by_the_owner_only(harness, owner, guardian, stranger):
    with boa.reverts("ownable: caller is not the owner"):
        harness.set_guardian(stranger, sender=guardian)
    harness.set_guardian(stranger, sender=owner)
    assert harness.guardian() == stranger
    with boa.reverts("circuit_breaker: caller is not the guardian"):
        harness.pause(sender=guardian)
    harness.pause(sender=stranger)


def test_outflow_over_the_limit_waits_for_the_next_epoch(harness, client):
    harness.put_in(10_000, sender=client)
    start_of_next_day()
    assert harness.take_out(sender=client) == 1_000  # OUTFLOW_BPS of the holdings
    assert harness.take_out(sender=client) == 0
    assert harness.owed(client) == 9_000
    start_of_next_day()
    assert harness.take_out(sender=client) == 900


def test_small_holdings_leave_at_the_floor(harness, client):
    harness.put_in(500, sender=client)
    paid = []
    while harness.owed(client):
        start_of_next_day()
        paid.append(harness.take_out(sender=client))
    assert paid == [FLOOR] * 5


def test_paying_in_and_out_does_not_use_up_the_limit_of_others(harness, client, stranger):
    harness.put_in(1_000, sender=client)
    start_of_next_day()
    for _ in range(5):
        harness.put_in(10**9, sender=stranger)
        assert harness.take_out(sender=stranger) == 10**9
    assert harness.take_out(sender=client) == FLOOR


@settings(max_examples=15, deadline=None)
@given(
    moves=st.lists(
        st.tuples(st.integers(0, 2 * DAY), st.booleans(), st.integers(0, 5_000)), max_size=12
    )
)
def test_net_outflow_never_passes_the_limit_and_nothing_is_lost(deploy_harness, client, moves):
    harness = deploy_harness()
    epoch, net, limit, put_in, taken = None, 0, 0, 0, 0
    for wait, is_inflow, amount in moves:
        boa.env.timestamp += wait
        if boa.env.timestamp // DAY != epoch:
            epoch, net, limit = boa.env.timestamp // DAY, 0, max(FLOOR, harness.pot() // 10)
        if is_inflow:
            harness.put_in(amount, sender=client)
            net, put_in = net - amount, put_in + amount
        else:
            granted = harness.take_out(sender=client)
            net, taken = net + granted, taken + granted
            assert granted == put_in - (taken - granted) or net == limit
        assert net <= limit
        assert harness.pot() == harness.owed(client) == put_in - taken


@pytest.mark.parametrize(
    ("argument", "value", "reason"),
    [
        ("outflow_bps", 999, "circuit_breaker: outflow share too small"),
        ("outflow_bps", 10_001, "circuit_breaker: outflow share too big"),
        ("outflow_floor", 0, "circuit_breaker: zero outflow floor"),
    ],
)
def test_limit_that_locks_exits_reverts(deploy_harness, argument, value, reason):
    with boa.reverts(reason):
        deploy_harness(**{argument: value})
