"""Whom to ask first, and why not the others."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joynet_sdk.inference.routing import Route, rank, routes

JOY = 10**18
OPERATOR = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"


def route(node_id, price=JOY, reputation=1.0, operator=None, **changes):
    who = operator or f"0x{node_id:040x}"
    addresses = ("/ip4/127.0.0.1/tcp/1",)
    return Route(node_id, who, who, b"\x02" * 33, addresses, price, reputation, **changes)


def order(ranked):
    return [route.node_id for route in ranked]


def test_price_by_reputation_decides():
    found = [route(1, 4 * JOY), route(2, 2 * JOY, 0.5), route(3, 3 * JOY, 1.5), route(4, JOY)]
    ranked = rank(found)
    assert order(ranked) == [4, 3, 1, 2]
    assert ranked[0].reason == "rank 1: 1 JOY a call, reputation 1.00"
    assert ranked[1].reason == "rank 2: 3 JOY a call, reputation 1.50"


def test_equals_keep_one_order():
    assert order(rank([route(3), route(1), route(2)])) == [1, 2, 3]


def test_who_is_left_out_says_why():
    found = [route(1), route(2, 3 * JOY), route(3), route(4, is_eligible=False, reason="paused")]
    ranked = rank(found, max_price=2 * JOY, ignore=["3"])
    assert [(r.node_id, r.is_eligible) for r in ranked] == [
        (1, True),
        (2, False),
        (3, False),
        (4, False),
    ]
    assert [r.reason for r in ranked[1:]] == [
        "it asks 3 JOY, more than --max-price 2 JOY",
        "it is among --ignore",
        "paused",
    ]


@pytest.mark.parametrize("name", ["2", OPERATOR, OPERATOR.lower()])
def test_nodes_are_named_by_id_or_operator(name):
    found = [route(1), route(2, operator=OPERATOR)]
    assert [r.node_id for r in rank(found, only=[name]) if r.is_eligible] == [2]
    assert [r.node_id for r in rank(found, ignore=[name]) if r.is_eligible] == [1]


def test_max_price_itself_is_allowed():
    assert rank([route(1, JOY)], max_price=JOY)[0].is_eligible
    assert not rank([route(1, JOY + 1)], max_price=JOY)[0].is_eligible


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 10**20), st.floats(0.5, 1.5), st.booleans()),
        max_size=8,
    ),
    st.none() | st.integers(0, 10**20),
)
def test_everyone_is_listed_once_the_eligible_first(nodes, limit):
    found = [
        route(number, price, reputation, is_eligible=active)
        for number, (price, reputation, active) in enumerate(nodes, 1)
    ]
    ranked = rank(found, max_price=limit)
    assert sorted(order(ranked)) == order(found)
    eligible = [r.is_eligible for r in ranked]
    assert eligible == sorted(eligible, reverse=True)
    costs = [r.price / r.reputation for r in ranked if r.is_eligible]
    assert costs == sorted(costs)
    assert all(limit is None or r.price <= limit for r in ranked if r.is_eligible)


class Licenses:
    """A model that nodes need a licence for, or not."""

    def __init__(self, holders):
        self.holders = holders

    def call(self, function, model_id, vault=None, operator=None):
        if function == "terms":
            return {"is_required": self.holders is not None}
        return operator in self.holders or vault in self.holders


class Coordinator:
    """Two nodes, one of them paused."""

    def __init__(self, holders=None):
        self.licenses = Licenses(holders)

    def contract(self, name):
        assert name in ("NodeCoordinator", "ModelLicenses")
        return self if name == "NodeCoordinator" else self.licenses

    def call(self, function, node_id, *_):
        if function == "offers_of":
            return [1, 2]
        if function == "node":
            return {
                "vault": "0xvault",
                "operator": OPERATOR,
                "peer_key": b"\x02" * 33,
                "endpoint": "" if node_id == 2 else "/ip4/127.0.0.1/tcp/1,/ip4/127.0.0.1/tcp/2",
                "active": node_id == 1,
            }
        return {"price": 7} if function == "offer" else 5 * 10**17


def test_routes_as_the_chain_has_them():
    first, second = routes(Coordinator(), b"\x22" * 32, 5)
    assert (first.price, first.reputation) == (12, 0.5)
    assert first.addresses == ("/ip4/127.0.0.1/tcp/1", "/ip4/127.0.0.1/tcp/2")
    assert first.is_eligible
    assert (second.addresses, second.is_eligible) == ((), False)
    assert second.reason == "it has paused itself"


def test_a_node_without_the_licence_it_needs_is_left_out():
    for holders in ([OPERATOR], ["0xvault"]):
        assert routes(Coordinator(holders), b"\x22" * 32, 5)[0].is_eligible
    first, second = routes(Coordinator([]), b"\x22" * 32, 5)
    assert (first.is_eligible, first.reason) == (False, "its licence of the model has ended")
    assert second.reason == "it has paused itself"
