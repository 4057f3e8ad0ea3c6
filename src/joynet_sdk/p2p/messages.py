"""What travels in frames and heartbeats: docs/spec/wire.md. MessagePack maps, typed and bounded."""

from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.p2p.limits import MAX_FRAME_BYTES, MAX_HEARTBEAT_BYTES

MAX_INPUT_BYTES = 512 * 1024
UINT64_MAX = 2**64 - 1

Bytes16 = Annotated[bytes, Meta(min_length=16, max_length=16)]
Bytes20 = Annotated[bytes, Meta(min_length=20, max_length=20)]
Bytes32 = Annotated[bytes, Meta(min_length=32, max_length=32)]
Bytes65 = Annotated[bytes, Meta(min_length=65, max_length=65)]
Uint = Annotated[int, Meta(ge=0)]
AmountText = Annotated[str, Meta(pattern=r"^(0|[1-9][0-9]{0,77})\Z")]  # decimal wei
ShortText = Annotated[str, Meta(max_length=128)]
ErrorCode = Literal[
    "bad_request",
    "unknown_model",
    "too_large",
    "payment_required",
    "voucher_invalid",
    "lane_busy",
    "overloaded",
    "not_found",
    "engine_failed",
    "internal",
]


class WireVoucher(msgspec.Struct, frozen=True, kw_only=True):
    """A voucher and the payer's signature."""

    payer: Bytes20
    operator: Bytes20
    model_id: Bytes32
    lane: Uint
    calls: Uint
    amount: AmountText
    signature: Bytes65


class WireReceipt(msgspec.Struct, frozen=True, kw_only=True):
    """A receipt; the operator's signature travels beside it."""

    version: Uint
    job_id: Uint
    request_id: Bytes32
    client: Bytes20
    operator: Bytes20
    peer_id: ShortText
    model_id: Bytes32
    engine_profile: ShortText
    request_digest: Bytes32
    response_digest: Bytes32
    verification_class: ShortText
    price: AmountText
    voucher_hash: Bytes32
    time: Uint


class InferRequest(msgspec.Struct, frozen=True, kw_only=True, tag_field="op", tag="infer"):
    """Run a model on `input`; paid by `voucher`."""

    request_id: Bytes16
    model_id: Bytes32
    client: Bytes20
    salt: Bytes32
    input: Annotated[bytes, Meta(max_length=MAX_INPUT_BYTES)]
    max_tokens: Uint
    voucher: WireVoucher


class ResultRequest(msgspec.Struct, frozen=True, kw_only=True, tag_field="op", tag="result"):
    """Ask again for the answer of an earlier `infer`."""

    request_id: Bytes16
    client: Bytes20
    signature: Bytes65


class JobRequest(msgspec.Struct, frozen=True, kw_only=True, tag_field="op", tag="job"):
    """Ask a committee member for its output and receipt, after its reveal; or, `proven`, a node
    for those of a proven job."""

    job_id: Uint
    proven: bool = False


class LaneRequest(msgspec.Struct, frozen=True, kw_only=True, tag_field="op", tag="lane"):
    """Ask for the highest voucher that the node holds for a lane."""

    payer: Bytes20
    model_id: Bytes32
    lane: Uint


Request = InferRequest | ResultRequest | JobRequest | LaneRequest


class InferAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `infer`, `result` and `job`."""

    output: bytes
    receipt: WireReceipt
    signature: Bytes65


class LaneAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The highest (calls, amount) the node holds for a lane; zeros when it holds none."""

    calls: Uint
    amount: AmountText


class ErrorAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Why there is no answer."""

    code: ErrorCode
    message: Annotated[str, Meta(max_length=2048)]
    hint: Annotated[str, Meta(max_length=2048)] = ""
    retryable: bool = False


class ServedModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model and how fast its node could answer: cold needs a download, hot none at all."""

    model_id: Bytes32
    state: Literal["cold", "disk", "warm", "hot"]


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """What a node says about itself, signed by its operator key."""

    version: Literal[1] = 1
    operator: Bytes20
    peer_id: ShortText
    seq: Uint
    time: Uint  # unix seconds
    addrs: Annotated[list[Annotated[str, Meta(max_length=256)]], Meta(max_length=16)]
    cell: Annotated[str, Meta(max_length=16)]
    capacity: Uint
    queue: Uint
    models: Annotated[list[ServedModel], Meta(max_length=256)]


class SignedHeartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """The gossip message: the payload's bytes as they were signed."""

    payload: Annotated[bytes, Meta(max_length=MAX_HEARTBEAT_BYTES)]
    signature: Bytes65


Message = TypeVar("Message", bound=msgspec.Struct)
_encoder = msgspec.msgpack.Encoder()
_decoders: dict[Any, msgspec.msgpack.Decoder[Any]] = {}


def encode(message: msgspec.Struct) -> bytes:
    """One MessagePack map; answers carry `ok`.

    Raises:
        InvalidInputError: It is longer than a frame, or than a heartbeat may be.
    """
    if isinstance(message, InferAnswer | LaneAnswer | ErrorAnswer):
        fields = {"ok": not isinstance(message, ErrorAnswer), **_fields(message)}
        data = _encode(fields, type(message).__name__)
    else:
        data = _encode(message, type(message).__name__)
    limit = MAX_HEARTBEAT_BYTES if isinstance(message, _GOSSIP) else MAX_FRAME_BYTES
    if len(data) > limit:
        name = type(message).__name__
        raise InvalidInputError(f"{name} of {len(data)} bytes, expected at most {limit}")
    return data


def decode(data: bytes, kind: type[Message], *, limit: int = MAX_FRAME_BYTES) -> Message:
    """Read one message strictly; unknown keys are ignored.

    Raises:
        InvalidInputError: Too long, not MessagePack, or a key is missing or mistyped.
    """
    message: Message = _decode(data, kind, kind.__name__, limit)
    return message


def decode_request(frame: bytes) -> Request:
    """Read a request of any `op`.

    Raises:
        InvalidInputError: As `decode`; answer it with `bad_request`.
    """
    request: Request = _decode(frame, Request, "request", MAX_FRAME_BYTES)
    return request


def decode_answer(frame: bytes, kind: type[Message]) -> Message | ErrorAnswer:
    """Read an answer: `kind` when it says ok, else an ErrorAnswer.

    Raises:
        InvalidInputError: As `decode`.
    """
    if _decode(frame, _Verdict, "answer", MAX_FRAME_BYTES).ok:
        return decode(frame, kind)
    return decode(frame, ErrorAnswer)


def encode_error(
    code: ErrorCode, message: str, *, hint: str = "", retryable: bool = False
) -> bytes:
    """An error answer, its texts cut to what the wire allows."""
    return encode(
        ErrorAnswer(code=code, message=message[:2048], hint=hint[:2048], retryable=retryable)
    )


class _Verdict(msgspec.Struct, frozen=True):
    ok: bool


_GOSSIP = (Heartbeat, SignedHeartbeat)


def _fields(message: msgspec.Struct) -> dict[str, Any]:
    return {name: getattr(message, name) for name in message.__struct_fields__}


def _encode(value: Any, name: str) -> bytes:
    try:
        return _encoder.encode(value)
    except (OverflowError, TypeError) as error:
        raise InvalidInputError(f"{name} cannot be encoded: {error}") from None


def _decode(data: bytes, kind: Any, name: str, limit: int) -> Any:
    if len(data) > limit:
        raise InvalidInputError(f"{name} of {len(data)} bytes, expected at most {limit}")
    try:
        decoder = _decoders[kind]
    except KeyError:
        decoder = _decoders[kind] = msgspec.msgpack.Decoder(kind)
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInputError(f"{name}: {error}") from None
