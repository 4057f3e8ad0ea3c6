"""What a node serves and what it refuses: every refusal costs the payer nothing."""

import asyncio
import time
from dataclasses import replace

import pytest

from joynet_sdk.compute.engine import EngineError
from joynet_sdk.errors import InvalidInputError, OverloadedError
from joynet_sdk.node.ledger import LaneState, Vote
from joynet_sdk.p2p import messages as wire
from joynet_sdk.p2p.translate import core_receipt, wire_voucher
from joynet_sdk.receipts import (
    SECP256K1_HALF_ORDER,
    ReceiptFile,
    salted_digest,
    sign,
    signing_hash,
)

from .world import (
    DOMAIN,
    INPUT,
    MODEL,
    OPERATOR,
    OTHER_PAYER,
    PAYER,
    PRICE,
    lane_request,
    read,
    request,
    result_request,
    voucher,
)

ORDER = 2 * SECP256K1_HALF_ORDER + 1


def ask(node, frame, kind=wire.InferAnswer):
    return read(asyncio.run(node.server.handle(frame, "peer")), kind)


def code(node, frame):
    answer = ask(node, frame)
    assert isinstance(answer, wire.ErrorAnswer), answer
    return answer.code


def nothing_was_charged(node, runs=0):
    assert node.ledger.promised(PAYER.address) == 0
    assert node.ledger.unredeemed() == []
    assert node.catalogue.runs == runs


def test_a_paid_call_gets_output_and_a_receipt_that_verifies(node):
    promise = voucher(1, PRICE)
    answer = ask(node, request(promise))
    assert answer.output == INPUT[::-1]
    receipt = core_receipt(answer.receipt)
    assert receipt.price == PRICE
    assert receipt.client == PAYER.address
    assert receipt.voucher_hash == signing_hash(DOMAIN, promise)
    assert receipt.request_digest == salted_digest(b"s" * 32, INPUT)
    ReceiptFile(DOMAIN, receipt, answer.signature, b"s" * 32, INPUT, answer.output).verify()
    assert node.ledger.promised(PAYER.address) == PRICE
    assert (node.server.answered, node.server.refused) == (1, 0)


def high_s(promise):
    signature = sign(DOMAIN, promise, PAYER)
    s = ORDER - int.from_bytes(signature[32:64], "big")
    return signature[:32] + s.to_bytes(32, "big") + bytes([55 - signature[64]])


PROMISE = voucher(1, PRICE)
BAD_VOUCHERS = {
    "another operator": request(voucher(1, PRICE, operator=OTHER_PAYER)),
    "another payer than the client": request(PROMISE, client=OTHER_PAYER.address),
    "another model than the request's": request(
        PROMISE, model_id=b"\x07" * 32, signature=sign(DOMAIN, PROMISE, PAYER)
    ),
    "signed by somebody else": request(PROMISE, signer=OTHER_PAYER),
    "signed over another amount": request(
        voucher(1, PRICE + 1), signature=sign(DOMAIN, PROMISE, PAYER)
    ),
    "high s": request(PROMISE, signature=high_s(PROMISE)),
    "no signature": request(PROMISE, signature=bytes(65)),
    "garbage signature": request(PROMISE, signature=b"\x11" * 64 + b"\x1b"),
    "wide calls": request(voucher(2**63, PRICE)),
}


@pytest.mark.parametrize("frame", BAD_VOUCHERS.values(), ids=BAD_VOUCHERS.keys())
def test_bad_vouchers_are_refused(node, frame):
    assert code(node, frame) == "voucher_invalid"
    nothing_was_charged(node)


def test_an_amount_past_uint256_is_refused(node):
    huge = voucher(1, 10**77 * 9)
    frame = request(PROMISE, voucher=wire_voucher(huge, sign(DOMAIN, PROMISE, PAYER)))
    assert code(node, frame) == "voucher_invalid"
    nothing_was_charged(node)


@pytest.mark.parametrize(
    ("calls", "amount"),
    [(1, 0), (1, PRICE - 1), (0, PRICE), (2, 2 * PRICE - 1), (10**6, PRICE)],
)
def test_too_little_is_refused(node, calls, amount):
    """Also calls that are counted and not paid in full: they shift money to the model."""
    assert code(node, request(voucher(calls, amount))) == "payment_required"
    nothing_was_charged(node)


def test_vouchers_only_rise(node):
    ask(node, request(voucher(1, PRICE), request_id=b"1" * 16))
    ask(node, request(voucher(2, 3 * PRICE), request_id=b"2" * 16))
    for calls, amount in [(1, PRICE), (1, 4 * PRICE), (3, 2 * PRICE)]:
        frame = request(voucher(calls, amount), request_id=b"3" * 16)
        assert code(node, frame) == "voucher_invalid"
    assert code(node, request(voucher(2, 3 * PRICE), request_id=b"4" * 16)) == "payment_required"
    assert ask(node, request(voucher(3, 3 * PRICE), request_id=b"5" * 16)).output == INPUT[::-1]
    assert node.ledger.promised(PAYER.address) == 3 * PRICE


def test_price_may_rise_and_fall(node):
    node.catalogue.price = 15
    assert code(node, request(voucher(1, PRICE))) == "payment_required"
    node.catalogue.price = 7
    assert ask(node, request(voucher(1, PRICE))).receipt.price == "7"
    next_call = request(voucher(2, 14), request_id=b"2" * 16)  # 3 wei were credit
    assert isinstance(ask(node, next_call), wire.InferAnswer)


def test_credit_is_spent_once(node):
    """25 wei pay for two calls of 10, not for three."""
    for number in (1, 2):
        call = request(voucher(number, 25), request_id=bytes([number]) * 16)
        assert isinstance(ask(node, call), wire.InferAnswer)
    assert code(node, request(voucher(3, 25), request_id=b"3" * 16)) == "payment_required"
    assert code_or_ok(node, request(voucher(3, 30), request_id=b"4" * 16)) == "ok"


def test_unknown_model_and_malformed_frames(node):
    stranger = voucher(1, PRICE, model=b"\x07" * 32)
    assert code(node, request(stranger)) == "unknown_model"
    answer = wire.encode_error("internal", "an answer is no request")
    for frame in (b"", b"\xc1", b"\x80", request(PROMISE)[:-1], answer):
        assert code(node, frame) == "bad_request"
    nothing_was_charged(node)


@pytest.mark.parametrize("data", [b"", INPUT[:3], INPUT + b"\0", bytes(512 * 1024)], ids=len)
def test_input_of_another_size_costs_nothing(node, data):
    assert code(node, request(PROMISE, input=data)) == "bad_request"
    nothing_was_charged(node)


def test_input_past_the_limit_is_refused(node):
    fields = wire.decode_request(request(PROMISE))
    too_long = wire.encode(
        wire.InferRequest(
            **{name: getattr(fields, name) for name in fields.__struct_fields__}
            | {"input": bytes(512 * 1024 + 1)}
        )
    )
    assert code(node, too_long) == "bad_request"
    nothing_was_charged(node)


@pytest.mark.parametrize(
    ("problem", "expected", "retryable"),
    [
        (EngineError("the model's worker ended with code -9"), "engine_failed", True),
        (OverloadedError("32 requests wait"), "overloaded", True),
        (InvalidInputError("text is not UTF-8"), "bad_request", False),
    ],
)
def test_a_run_that_fails_costs_nothing_and_its_voucher_is_credit(
    node, problem, expected, retryable
):
    node.catalogue.problem = problem
    answer = ask(node, request(PROMISE))
    assert (answer.code, answer.retryable) == (expected, retryable)
    nothing_was_charged(node, runs=1)
    node.catalogue.problem = None
    again = ask(node, request(PROMISE, request_id=b"2" * 16))
    assert again.output == INPUT[::-1]
    assert node.ledger.promised(PAYER.address) == PRICE


def test_a_bug_during_a_run_costs_nothing_and_frees_the_lane(node):
    node.catalogue.problem = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):  # p2p answers "internal"
        ask(node, request(PROMISE))
    nothing_was_charged(node, runs=1)
    node.catalogue.problem = None
    assert isinstance(ask(node, request(PROMISE)), wire.InferAnswer)


# --- escrow ---------------------------------------------------------------------------------------


def test_no_escrow_no_service(node):
    promise = voucher(1, PRICE, payer=OTHER_PAYER)
    answer = ask(node, request(promise, signer=OTHER_PAYER))
    assert answer.code == "payment_required"
    assert "10 wei are promised" in answer.message
    assert OPERATOR.address in answer.hint
    assert node.catalogue.runs == 0


def test_thawing_escrow_is_not_served_against(node):
    node.coordinator.allocations[PAYER.address].thawing = 991
    assert code(node, request(PROMISE)) == "payment_required"
    node.coordinator.allocations[PAYER.address].thawing = 990
    assert isinstance(ask(node, request(PROMISE)), wire.InferAnswer)


def test_redeeming_does_not_make_room(node):
    """What is redeemed has left the escrow: the room does not come back."""
    node.coordinator.allocations[PAYER.address].amount = 2 * PRICE
    ask(node, request(voucher(1, PRICE), request_id=b"1" * 16))
    ask(node, request(voucher(2, 2 * PRICE), request_id=b"2" * 16))
    assert asyncio.run(node.redeemer.redeem()) == 2 * PRICE
    assert code(node, request(voucher(3, 3 * PRICE), request_id=b"3" * 16)) == "payment_required"
    node.coordinator.allocate(PAYER.address, PRICE)
    assert isinstance(ask(node, request(voucher(3, 3 * PRICE))), wire.InferAnswer)


def test_unsecured_limit_is_per_payer(node):
    node.restart(unsecured_limit=PRICE)
    first = voucher(1, PRICE, payer=OTHER_PAYER)
    assert isinstance(ask(node, request(first, signer=OTHER_PAYER)), wire.InferAnswer)
    second = voucher(2, 2 * PRICE, payer=OTHER_PAYER)
    frame = request(second, signer=OTHER_PAYER, request_id=b"2" * 16)
    assert code(node, frame) == "payment_required"


def test_escrow_cannot_be_promised_twice_at_once(node):
    """Eight lanes at the same moment, escrow for three: exactly three are served."""
    node.coordinator.allocations[PAYER.address].amount = 3 * PRICE

    async def run():
        node.catalogue.gate = asyncio.Event()
        frames = [
            request(voucher(1, PRICE, lane=lane), request_id=bytes([lane]) * 16)
            for lane in range(8)
        ]
        calls = [asyncio.create_task(node.server.handle(f, "peer")) for f in frames]
        await node.catalogue.started.wait()
        node.catalogue.gate.set()
        return [read(await call) for call in calls]

    answers = asyncio.run(run())
    codes = [getattr(answer, "code", "ok") for answer in answers]
    assert sorted(codes) == ["ok"] * 3 + ["payment_required"] * 5
    assert node.ledger.promised(PAYER.address) == 3 * PRICE
    assert node.catalogue.runs == 3


def test_two_models_draw_on_one_allocation(node):
    """The second lane is refused while the first, of any model, has used the escrow up."""
    node.coordinator.allocations[PAYER.address].amount = PRICE
    other, lane = voucher(1, PRICE, model=b"\x09" * 32), LaneState(1, PRICE, 1, PRICE)
    node.ledger.record_answer(other, b"s" * 65, lane, 0, b"o" * 16, b"frame")
    assert code(node, request(PROMISE)) == "payment_required"


def test_calls_need_no_chain_once_the_allocation_is_known(node):
    ask(node, request(voucher(1, PRICE), request_id=b"1" * 16))
    node.coordinator.is_down = True
    second = ask(node, request(voucher(2, 2 * PRICE), request_id=b"2" * 16))
    assert isinstance(second, wire.InferAnswer)
    unknown = ask(node, request(voucher(1, PRICE, lane=2), request_id=b"3" * 16))
    assert (unknown.code, unknown.retryable) == ("internal", True)
    assert "127.0.0.1" not in unknown.message


def test_a_node_that_lost_its_ledger_cannot_be_paid_with_spent_vouchers(node, tmp_path):
    for number in range(1, 4):
        ask(node, request(voucher(number, number * PRICE), request_id=bytes([number]) * 16))
    assert asyncio.run(node.redeemer.redeem()) == 3 * PRICE
    node.coordinator.allocations[PAYER.address].amount = 4 * PRICE
    node.restart(tmp_path / "new.db")
    assert code(node, request(voucher(3, 3 * PRICE), request_id=b"4" * 16)) == "payment_required"
    two_more = [
        code_or_ok(node, request(voucher(1, PRICE, lane=lane), request_id=bytes([lane]) * 16))
        for lane in (8, 9)
    ]
    assert two_more == ["ok", "payment_required"]
    assert asyncio.run(node.redeemer.redeem()) == PRICE


def code_or_ok(node, frame):
    return getattr(ask(node, frame), "code", "ok")


# --- asking twice ---------------------------------------------------------------------------------


def test_a_repeat_gets_the_stored_answer_and_is_not_charged(node):
    frame = request(PROMISE)
    first = asyncio.run(node.server.handle(frame, "peer"))
    node.restart()
    assert asyncio.run(node.server.handle(frame, "peer")) == first
    assert node.catalogue.runs == 1
    assert node.ledger.promised(PAYER.address) == PRICE


def test_a_repeat_by_another_client_is_another_request(node):
    ask(node, request(PROMISE))
    stolen = request(PROMISE, signer=OTHER_PAYER)
    assert code(node, stolen) == "voucher_invalid"
    node.coordinator.allocate(OTHER_PAYER.address, PRICE)
    mine = request(voucher(1, PRICE, payer=OTHER_PAYER), signer=OTHER_PAYER)
    assert isinstance(ask(node, mine), wire.InferAnswer)
    assert node.catalogue.runs == 2


def test_concurrent_repeats_run_once(node):
    async def run():
        node.catalogue.gate = asyncio.Event()
        frame = request(PROMISE)
        calls = [asyncio.create_task(node.server.handle(frame, "peer")) for _ in range(5)]
        await node.catalogue.started.wait()
        calls[0].cancel()  # the first caller hangs up: the call goes on
        later = asyncio.create_task(node.server.handle(result_request(), "peer"))
        busy = await node.server.handle(lane_request(), "peer")
        node.catalogue.gate.set()
        return read(busy, wire.LaneAnswer), [await call for call in [*calls[1:], later]]

    busy, answers = asyncio.run(run())
    assert (busy.code, busy.retryable) == ("lane_busy", True)
    assert len(set(answers)) == 1
    assert read(answers[0]).output == INPUT[::-1]
    assert node.catalogue.runs == 1


def test_a_lane_takes_one_request_at_a_time(node):
    async def run():
        node.catalogue.gate = asyncio.Event()
        first = asyncio.create_task(node.server.handle(request(PROMISE), "peer"))
        await node.catalogue.started.wait()
        frame = request(voucher(2, 2 * PRICE), request_id=b"2" * 16)
        second = await asyncio.wait_for(node.server.handle(frame, "peer"), 10)
        node.catalogue.gate.set()
        return read(await first), read(second)

    first, second = asyncio.run(run())
    assert isinstance(first, wire.InferAnswer)
    assert (second.code, second.retryable) == ("lane_busy", True)


def test_result_needs_the_clients_signature(node):
    ask(node, request(PROMISE))
    assert ask(node, result_request()).output == INPUT[::-1]
    assert code(node, result_request(signer=OTHER_PAYER)) == "not_found"
    assert code(node, result_request(signer=OTHER_PAYER, client=OTHER_PAYER)) == "not_found"
    assert code(node, result_request(request_id=b"2" * 16)) == "not_found"
    unsigned = wire.ResultRequest(
        request_id=b"r" * 16, client=bytes.fromhex(PAYER.address[2:]), signature=bytes(65)
    )
    assert code(node, wire.encode(unsigned)) == "bad_request"


def test_answers_are_kept_one_hour(node, monkeypatch):
    ask(node, request(PROMISE))
    real = time.time()
    monkeypatch.setattr("joynet_sdk.node.ledger.time.time", lambda: real + 3601)
    assert code(node, result_request()) == "not_found"
    held = ask(node, lane_request(), wire.LaneAnswer)
    assert (held.calls, held.amount) == (1, str(PRICE))  # the payer still learns that it was paid


def test_lane_tells_what_is_held(node):
    nothing = ask(node, lane_request(), wire.LaneAnswer)
    assert (nothing.calls, nothing.amount) == (0, "0")
    ask(node, request(voucher(1, 25)))
    held = ask(node, lane_request(), wire.LaneAnswer)
    assert (held.calls, held.amount) == (1, "25")
    other = ask(node, lane_request(payer=OTHER_PAYER), wire.LaneAnswer)
    assert other.calls == 0


def test_job_gives_nothing_before_the_reveal(node):
    frame = wire.encode(wire.JobRequest(job_id=7))
    assert code(node, frame) == "not_found"
    vote = Vote(7, MODEL, b"d" * 32, b"s" * 32, b"out", b"the answer", "committed")
    node.ledger.save_vote(vote)
    assert code(node, frame) == "not_found"
    node.ledger.save_vote(replace(vote, stage="revealed"))
    assert asyncio.run(node.server.handle(frame, "peer")) == b"the answer"
