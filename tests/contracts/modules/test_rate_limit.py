"""rate_limit: the one-slot bucket behaves like a token bucket."""

from fractions import Fraction

import boa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

CAPACITY = 5  # units, as in conftest
WINDOW = 50  # seconds


def test_burst_is_bounded_and_refills_evenly(harness, client):
    for _ in range(CAPACITY):
        harness.consume(1, sender=client)
    with boa.reverts("rate_limit: too many actions"):
        harness.consume(1, sender=client)
    boa.env.timestamp += WINDOW // CAPACITY - 1
    with boa.reverts("rate_limit: too many actions"):
        harness.consume(1, sender=client)
    boa.env.timestamp += 1
    harness.consume(1, sender=client)
    assert harness.rate_available(client) == 0


def test_buckets_are_per_account(harness, client, stranger):
    harness.consume(CAPACITY, sender=client)
    harness.consume(CAPACITY, sender=stranger)


def test_bucket_never_holds_more_than_its_capacity(harness, client):
    boa.env.timestamp += 1_000 * WINDOW
    assert harness.rate_available(client) == CAPACITY
    with boa.reverts("rate_limit: cost over capacity"):
        harness.consume(CAPACITY + 1, sender=client)


@pytest.mark.parametrize("value", [0, 2**64])
def test_useless_limits_revert(deploy_harness, value):
    with boa.reverts("rate_limit: capacity out of range"):
        deploy_harness(capacity=value)
    with boa.reverts("rate_limit: window out of range"):
        deploy_harness(window=value)


@settings(max_examples=15, deadline=None)
@given(
    capacity=st.integers(1, 9),
    window=st.integers(1, 100),
    steps=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 4)), max_size=12),
)
def test_equals_a_token_bucket(deploy_harness, client, capacity, window, steps):
    harness = deploy_harness(capacity=capacity, window=window)
    level = Fraction(capacity)
    for wait, cost in steps:
        boa.env.timestamp += wait
        level = min(Fraction(capacity), level + Fraction(wait * capacity, window))
        assert harness.rate_available(client) == level // 1
        if cost <= level:
            harness.consume(cost, sender=client)
            level -= cost
        else:
            with boa.reverts():
                harness.consume(cost, sender=client)
