"""The node's book: nothing it holds is lost to a restart, and redeeming takes each wei once."""

import asyncio
import stat
from dataclasses import replace

import pytest

from joynet_sdk.node.ledger import LaneState, Ledger, Vote
from joynet_sdk.p2p import messages as wire
from joynet_sdk.receipts import sign

from .world import DOMAIN, MODEL, OPERATOR, PAYER, PRICE, read, request, voucher


@pytest.fixture
def ledger(tmp_path):
    ledger = Ledger(tmp_path / "node" / "ledger.db")
    yield ledger
    ledger.close()


def hold(ledger, promise, *, answered=None, request_id=b"r" * 16, frame=b"frame", settled=0):
    lane = LaneState(promise.calls, promise.amount, *(answered or (1, PRICE)), settled)
    signature = sign(DOMAIN, promise, PAYER)
    ledger.record_answer(promise, signature, lane, 0, request_id, frame)
    return signature


def test_a_new_lane_is_unknown(ledger):
    assert ledger.lane(voucher(1, PRICE)) is None
    assert ledger.redeemed_before(PAYER.address) is None
    assert ledger.promised(PAYER.address) == 0
    assert ledger.unredeemed() == []
    assert ledger.answer(PAYER.address, b"r" * 16) is None


def test_voucher_and_answer_are_one_write_that_survives(ledger, tmp_path):
    promise = voucher(1, 10**30, lane=2**63)  # wider than SQLite's integers
    signature = hold(ledger, promise, answered=(1, PRICE))
    second = Ledger(tmp_path / "node" / "ledger.db")  # as after kill -9: nothing was closed
    assert second.lane(promise) == LaneState(1, 10**30, 1, PRICE)
    assert second.answer(PAYER.address, b"r" * 16) == b"frame"
    (held,) = second.unredeemed()
    assert (held.voucher, held.signature, held.redeemed) == (promise, signature, 0)
    second.close()


def test_the_folder_is_private(ledger, tmp_path):
    assert stat.S_IMODE((tmp_path / "node").stat().st_mode) == 0o700


def test_a_new_voucher_keeps_what_was_redeemed(ledger):
    hold(ledger, voucher(1, PRICE))
    ledger.set_redeemed(voucher(1, PRICE), PRICE)
    assert ledger.unredeemed() == []
    hold(ledger, voucher(2, 2 * PRICE), answered=(2, 2 * PRICE), request_id=b"2" * 16)
    (held,) = ledger.unredeemed()
    assert (held.voucher.amount, held.redeemed) == (2 * PRICE, PRICE)
    assert ledger.promised(PAYER.address) == 2 * PRICE


def test_vouchers_of_one_model_lie_side_by_side(ledger):
    for lane, model in enumerate([b"\x02" * 32, b"\x01" * 32] * 3):
        hold(ledger, voucher(1, PRICE, lane=lane, model=model), request_id=bytes([lane]) * 16)
    models = [held.voucher.model_id for held in ledger.unredeemed()]
    assert models == sorted(models)


def test_votes_and_cursor(ledger):
    vote = Vote(1, MODEL, b"d" * 32, b"s" * 32, None, None, "prepared")
    ledger.save_vote(vote)
    ledger.save_vote(replace(vote, stage="committed"))
    ledger.save_vote(replace(vote, job_id=2, output=b"out", frame=b"frame", stage="closed"))
    assert ledger.vote(1).stage == "committed"
    assert ledger.vote(2).output == b"out"
    assert ledger.vote(3) is None
    assert [open_vote.job_id for open_vote in ledger.open_votes()] == [1]
    assert ledger.block("drawn") is None
    ledger.set_block("drawn", 7)
    ledger.set_block("drawn", 9)
    assert ledger.block("drawn") == 9


# --- redeeming ------------------------------------------------------------------------------------


def serve(node, number, lane=1):
    promise = voucher(number, number * PRICE, lane=lane)
    frame = request(promise, request_id=bytes([number, lane]) * 8)
    assert isinstance(read(asyncio.run(node.server.handle(frame, "peer"))), wire.InferAnswer)


def redeem(node):
    return asyncio.run(node.redeemer.redeem())


def test_redeem_takes_each_wei_once(node):
    for lane in range(20):  # two batches
        serve(node, 1, lane)
    assert node.redeemer.outstanding() == 20 * PRICE
    assert redeem(node) == 20 * PRICE == node.coordinator.redeemed
    assert node.coordinator.transactions == 2
    assert (redeem(node), node.redeemer.outstanding()) == (0, 0)
    assert node.coordinator.transactions == 2  # nothing new costs no gas
    serve(node, 2, lane=3)
    assert redeem(node) == PRICE


def test_a_node_that_died_after_redeeming_learns_it_from_the_contract(node):
    serve(node, 1)
    held = node.ledger.unredeemed()
    node.coordinator.transact("redeem", [vars_of(held[0].voucher)], [held[0].signature])
    node.restart()
    assert node.redeemer.outstanding() == PRICE
    assert redeem(node) == 0
    assert node.redeemer.outstanding() == 0
    assert node.coordinator.redeemed == PRICE


def vars_of(value):
    return {name: getattr(value, name) for name in value.__slots__}


def test_what_escrow_does_not_cover_is_redeemed_later(node):
    """A node that serves on trust is owed the rest until the payer sets more aside."""
    node.restart(unsecured_limit=2 * PRICE)
    node.coordinator.allocations[PAYER.address].amount = PRICE
    serve(node, 1)
    serve(node, 2)
    serve(node, 3)
    assert redeem(node) == PRICE
    assert node.redeemer.outstanding() == 2 * PRICE
    assert (redeem(node), node.coordinator.transactions) == (0, 1)  # no gas for nothing
    node.coordinator.allocate(PAYER.address, 5 * PRICE)
    assert redeem(node) == 2 * PRICE
    assert node.redeemer.outstanding() == 0


def test_one_refused_voucher_does_not_hold_up_the_others(node):
    for lane in range(5):
        serve(node, 1, lane)
    bad = voucher(1, PRICE, lane=2)
    hold(node.ledger, bad, request_id=b"b" * 16)
    node.ledger._db.execute("UPDATE lanes SET signature = ? WHERE lane = '2'", (bytes(65),))
    node.ledger._db.commit()
    assert redeem(node) == 4 * PRICE
    assert node.redeemer.outstanding() == PRICE


def test_a_thaw_is_answered_by_redeeming(node):
    serve(node, 1)
    asyncio.run(node.redeemer.redeem_if_thawing())
    assert node.coordinator.redeemed == 0
    node.coordinator.allocations[PAYER.address].thawing = 1000
    asyncio.run(node.redeemer.redeem_if_thawing())
    assert node.coordinator.redeemed == PRICE


def test_vouchers_of_a_rotated_key_stay_redeemable(node):
    old = replace(voucher(1, PRICE), operator=OPERATOR.address)
    hold(node.ledger, old)
    node.redeemer._operator = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
    assert redeem(node) == PRICE
