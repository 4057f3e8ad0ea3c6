"""Wire messages: what they accept, what they refuse, what they look like on the wire."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.p2p import messages as wire
from joynet_sdk.p2p.limits import MAX_FRAME_BYTES, MAX_HEARTBEAT_BYTES

VOUCHER = wire.WireVoucher(
    payer=bytes(20),
    operator=bytes(20),
    model_id=bytes(32),
    lane=1,
    calls=2,
    amount=str(2**256 - 1),
    signature=bytes(65),
)
RECEIPT = wire.WireReceipt(
    version=1,
    job_id=0,
    request_id=bytes(32),
    client=bytes(20),
    operator=bytes(20),
    peer_id="16Uiu2HAm",
    model_id=bytes(32),
    engine_profile="qmodel/2",
    request_digest=bytes(32),
    response_digest=bytes(32),
    verification_class="none",
    price="3",
    voucher_hash=bytes(32),
    time=1_700_000_000,
)
INFER = wire.InferRequest(
    request_id=bytes(16),
    model_id=bytes(32),
    client=bytes(20),
    salt=bytes(32),
    input=b"abc",
    max_tokens=0,
    voucher=VOUCHER,
)
REQUESTS = [
    INFER,
    wire.ResultRequest(request_id=bytes(16), client=bytes(20), signature=bytes(65)),
    wire.JobRequest(job_id=7),
    wire.LaneRequest(payer=bytes(20), model_id=bytes(32), lane=0),
]


def as_map(message) -> dict:
    return msgspec.msgpack.decode(wire.encode(message))


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda r: type(r).__name__)
def test_requests_survive_the_wire(request_):
    assert wire.decode_request(wire.encode(request_)) == request_


def test_wire_names_are_those_of_the_spec():
    assert as_map(INFER).keys() == {
        "op", "request_id", "model_id", "client", "salt", "input", "max_tokens", "voucher"
    }  # fmt: skip
    assert as_map(INFER)["op"] == "infer"
    answer = wire.InferAnswer(output=b"o", receipt=RECEIPT, signature=bytes(65))
    assert as_map(answer).keys() == {"ok", "output", "receipt", "signature"}
    assert as_map(answer)["ok"] is True
    assert as_map(wire.LaneAnswer(calls=1, amount="5")) == {"ok": True, "calls": 1, "amount": "5"}
    assert msgspec.msgpack.decode(wire.encode_error("lane_busy", "m", retryable=True)) == {
        "ok": False, "code": "lane_busy", "message": "m", "hint": "", "retryable": True
    }  # fmt: skip


def test_answers_are_told_apart():
    answer = wire.InferAnswer(output=b"o", receipt=RECEIPT, signature=bytes(65))
    assert wire.decode_answer(wire.encode(answer), wire.InferAnswer) == answer
    error = wire.decode_answer(wire.encode_error("internal", "oops"), wire.InferAnswer)
    assert (error.code, error.message) == ("internal", "oops")


def test_unknown_keys_are_ignored():
    fields = {**as_map(REQUESTS[2]), "later": 1}
    assert wire.decode_request(msgspec.msgpack.encode(fields)) == REQUESTS[2]


@pytest.mark.parametrize(
    "changes",
    [
        {"op": "nothing"},
        {"op": 5},
        {"request_id": bytes(15)},
        {"model_id": "0x00"},
        {"client": bytes(21)},
        {"input": bytes(wire.MAX_INPUT_BYTES + 1)},
        {"max_tokens": -1},
        {"max_tokens": 1.5},
        {"voucher": {}},
        {"voucher": {**as_map(VOUCHER), "amount": 5}},
        {"voucher": {**as_map(VOUCHER), "amount": "-5"}},
        {"voucher": {**as_map(VOUCHER), "amount": "05"}},
        {"voucher": {**as_map(VOUCHER), "amount": "5\n"}},
        {"voucher": {**as_map(VOUCHER), "amount": "1" * 79}},
        {"voucher": {**as_map(VOUCHER), "signature": bytes(64)}},
    ],
)
def test_mistyped_requests_are_refused(changes):
    with pytest.raises(InvalidInputError, match="request"):
        wire.decode_request(msgspec.msgpack.encode({**as_map(INFER), **changes}))


@pytest.mark.parametrize("key", sorted(as_map(INFER)))
def test_missing_keys_are_refused(key):
    fields = as_map(INFER)
    del fields[key]
    with pytest.raises(InvalidInputError):
        wire.decode_request(msgspec.msgpack.encode(fields))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_garbage_is_invalid_input_and_nothing_else(data):
    for decode in (
        wire.decode_request,
        lambda data: wire.decode_answer(data, wire.InferAnswer),
        lambda data: wire.decode(data, wire.SignedHeartbeat),
    ):
        with pytest.raises(InvalidInputError):
            decode(data)


def test_deep_nesting_and_long_frames_are_refused():
    with pytest.raises(InvalidInputError):
        wire.decode_request(b"\x91" * 500_000)
    with pytest.raises(InvalidInputError, match="expected at most 1048576"):
        wire.decode_request(bytes(MAX_FRAME_BYTES + 1))


def heartbeat(models: int) -> wire.Heartbeat:
    served = [wire.ServedModel(model_id=bytes(32), state="warm")] * models
    return wire.Heartbeat(
        operator=bytes(20),
        peer_id="16Uiu2HAm",
        seq=1,
        time=2,
        addrs=["/ip4/1.2.3.4/tcp/1"] * 16,
        cell="881f1d4887fffff",
        capacity=1,
        queue=0,
        models=served,
    )


def test_largest_heartbeat_fits():
    data = wire.encode(heartbeat(256))
    assert len(data) <= MAX_HEARTBEAT_BYTES
    assert wire.decode(data, wire.Heartbeat, limit=MAX_HEARTBEAT_BYTES) == heartbeat(256)
    with pytest.raises(InvalidInputError):
        wire.decode(wire.encode(heartbeat(257)), wire.Heartbeat)


def test_messages_that_cannot_travel_are_refused_when_encoded():
    answer = wire.InferAnswer(output=bytes(MAX_FRAME_BYTES), receipt=RECEIPT, signature=bytes(65))
    with pytest.raises(InvalidInputError, match="InferAnswer of"):
        wire.encode(answer)
    with pytest.raises(InvalidInputError, match="cannot be encoded"):
        wire.encode(wire.JobRequest(job_id=2**64))
