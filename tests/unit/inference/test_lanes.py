"""The client's voucher book: promises are stored first, and never fall."""

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joynet_sdk.errors import OverloadedError
from joynet_sdk.inference import lanes
from joynet_sdk.inference.lanes import Channel, Pending, VoucherBook
from joynet_sdk.receipts import Domain

DOMAIN = Domain(412_346_001, "0x5FbDB2315678afecb367f032d93F642f64180aa3")
PAYER = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"
OPERATOR = "0x1563915e194D8CfBA1943570603F7606A3115508"
CHANNEL = Channel(DOMAIN, PAYER, OPERATOR, b"\x22" * 32)
ID = b"r" * 16


@pytest.fixture
def book(tmp_path):
    return VoucherBook(tmp_path / "payments")


def test_promises_are_cumulative(book):
    with book.lease(CHANNEL) as lane:
        for call in range(1, 4):
            voucher = lane.promise(ID, 10)
            assert (voucher.calls, voucher.amount) == (call, 10 * call)
            lane.answered()
    assert (voucher.payer, voucher.operator, voucher.model_id) == (PAYER, OPERATOR, b"\x22" * 32)
    assert book.promised(DOMAIN, PAYER, OPERATOR) == 30


def test_an_unanswered_call_is_credit_and_is_spent_first(book):
    with book.lease(CHANNEL) as lane:
        lane.promise(ID, 10)
        lane.unanswered()
        again = lane.promise(ID, 10)
        assert (again.calls, again.amount) == (1, 10)
        lane.unanswered()
        cheaper = lane.promise(ID, 4)
        assert (cheaper.calls, cheaper.amount) == (1, 10)  # 6 wei of credit remain
        lane.answered()
        after = lane.promise(ID, 8)
        assert (after.calls, after.amount) == (2, 12)


def test_a_promise_survives_a_crash(book, tmp_path):
    with book.lease(CHANNEL) as lane:
        first = lane.promise(ID, 10)
    reopened = VoucherBook(tmp_path / "payments")
    with reopened.lease(CHANNEL) as lane:
        assert lane.number == first.lane
        assert lane.pending == Pending(ID, 10)
        with pytest.raises(AssertionError, match="settled first"):
            lane.promise(ID, 10)


@pytest.mark.parametrize(("held", "next_calls"), [(0, 1), (1, 2), (9, 2)])
def test_settle_believes_the_node_about_the_last_promise_only(book, held, next_calls):
    """A node that claims calls nobody promised gains nothing."""
    with book.lease(CHANNEL) as lane:
        lane.promise(ID, 10)
        lane.settle(held)
        assert lane.pending is None
        lane.settle(held)  # nothing is pending: nothing happens
        voucher = lane.promise(ID, 10)
        assert (voucher.calls, voucher.amount) == (next_calls, 10 * next_calls)


def test_lanes_are_leased_to_one_at_a_time(book, tmp_path):
    other = VoucherBook(tmp_path / "payments")
    with book.lease(CHANNEL) as first, other.lease(CHANNEL) as second:
        assert second.number == first.number + 1
    with other.lease(CHANNEL) as again:
        assert again.number == first.number


def test_another_process_does_not_get_a_leased_lane(book, tmp_path):
    code = (
        "import sys; from pathlib import Path\n"
        "from joynet_sdk.inference.lanes import Channel, VoucherBook\n"
        "from joynet_sdk.receipts import Domain\n"
        f"channel = Channel(Domain({DOMAIN.chain_id}, {DOMAIN.coordinator!r}), {PAYER!r},"
        f" {OPERATOR!r}, {CHANNEL.model_id!r})\n"
        "with VoucherBook(Path(sys.argv[1])).lease(channel) as lane: print(lane.number)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "payments")]
    with book.lease(CHANNEL) as lane:
        number = int(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)
    assert number == lane.number + 1


def test_answered_needs_a_promise_and_a_failure_gives_the_lane_back(book):
    with pytest.raises(AssertionError), book.lease(CHANNEL) as lane:
        lane.answered()
    with book.lease(CHANNEL) as again:
        assert again.number == lane.number


def test_too_many_at_once(book, monkeypatch):
    monkeypatch.setattr(lanes, "MAX_LANES", 1)
    with book.lease(CHANNEL), pytest.raises(OverloadedError, match="all 1 lanes"):  # noqa: SIM117
        with book.lease(CHANNEL):
            pass


def test_two_homes_with_one_key_never_meet_on_a_lane(tmp_path):
    one, two = VoucherBook(tmp_path / "one"), VoucherBook(tmp_path / "two")
    with one.lease(CHANNEL) as first, two.lease(CHANNEL) as second:
        assert abs(first.number - second.number) >= 1 << 16
        assert max(first.number, second.number) < 1 << 63  # what the wire carries


def test_channels_do_not_mix(book):
    payer = Channel(DOMAIN, OPERATOR, OPERATOR, CHANNEL.model_id)
    chain = Channel(Domain(1, DOMAIN.coordinator), PAYER, OPERATOR, CHANNEL.model_id)
    contract = Channel(Domain(DOMAIN.chain_id, PAYER), PAYER, OPERATOR, CHANNEL.model_id)
    model = Channel(DOMAIN, PAYER, OPERATOR, b"\x23" * 32)
    numbers = []
    for each in (CHANNEL, payer, chain, contract, model):
        with book.lease(each) as lane:
            numbers.append(lane.number)
            assert lane.promise(ID, 10).amount == 10
            lane.answered()
    assert len(set(numbers)) == 1
    assert book.promised(DOMAIN, PAYER, OPERATOR) == 20  # both models, this payer and contract


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 10**24), st.sampled_from(["answered", "unanswered"])), max_size=10
    )
)
def test_promises_rise_and_credit_is_at_most_one_call(tmp_path_factory, calls):
    book = VoucherBook(tmp_path_factory.mktemp("book"))
    last, answered, dearest = (0, 0), 0, 0
    with book.lease(CHANNEL) as lane:
        for price, fate in calls:
            voucher = lane.promise(ID, price)
            assert (voucher.calls, voucher.amount) >= last
            assert voucher.amount >= last[1]
            assert voucher.amount >= answered + price
            last, dearest = (voucher.calls, voucher.amount), max(dearest, price)
            getattr(lane, fate)()
            answered += price if fate == "answered" else 0
            assert 0 <= voucher.amount - answered <= dearest
