"""Records of a name as people write them, and as calls of the resolver.

A record is a key and a value, both text. Keys: `addr.eth`, `addr.btc`, `addr.evm:10` (a chain),
`text.url` (any key), `contenthash`, `pubkey`, `model`, `payto`, `wildcard`; short forms: `address`
and `addr` are `addr.eth`, every other word is a text record (`endpoint`, `rpc`, `url`).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from joynet_sdk.domains.addresses import (
    ETHEREUM,
    coin_name,
    coin_type,
    decode_address,
    encode_address,
)
from joynet_sdk.domains.contenthash import decode_contenthash, encode_contenthash
from joynet_sdk.errors import InvalidInputError
from joynet_sdk.formats import parse_ref

MAX_KEY_BYTES, MAX_TEXT_BYTES = 64, 512
ADDRESS, TEXT = "addr.", "text."
SINGLE = ("contenthash", "pubkey", "model", "payto", "wildcard")
MAX_PER_NAME = 256  # records that are read back
ZERO_WORD, ZERO_ADDRESS = bytes(32), "0x" + "00" * 20
_URL_KEYS = {"rpc": ("http://", "https://", "ws://", "wss://")}


@dataclass(frozen=True, slots=True)
class Record:
    """One record; an empty value stands for none.

    Attributes:
        key: In its long form, e.g. "addr.eth".
        value: In its normal form, e.g. a checksummed address.
    """

    key: str
    value: str


@dataclass(frozen=True, slots=True)
class Call:
    """A call of the resolver: its arguments after the node."""

    function: str
    args: tuple[Any, ...]


def long_key(key: str) -> str:
    """The long form of a record's key.

    Raises:
        InvalidInputError: No such chain, or a text key that is too long.
    """
    key = key.strip()
    if key in ("address", "addr"):
        return f"{ADDRESS}eth"
    if key in SINGLE:
        return key
    if key.startswith(ADDRESS):
        return ADDRESS + coin_name(coin_type(key.removeprefix(ADDRESS)))
    word = key.removeprefix(TEXT)
    if not 1 <= len(word.encode()) <= MAX_KEY_BYTES:
        raise InvalidInputError(
            f"record key {key!r:.80} has {len(word.encode())} bytes, expected 1 to {MAX_KEY_BYTES}"
        )
    return TEXT + word


def parse_record(key: str, value: str) -> Record:
    """A record in its long, normal form.

    Args:
        key: Short or long.
        value: As people write it; "" stands for none.

    Raises:
        InvalidInputError: The value does not fit the key.
    """
    key = long_key(key)
    if not value:
        return Record(key, "")
    function = call_of(Record(key, value))
    return Record(key, _text_of(key, function.args))


def parse_assignment(text: str) -> Record:
    """A record written as `key=value`.

    Raises:
        InvalidInputError: No `=`, or the value does not fit the key.
    """
    key, mark, value = text.partition("=")
    if not mark or not key:
        raise InvalidInputError(
            f"record is {text!r:.100}, expected KEY=VALUE such as url=https://…"
        )
    return parse_record(key, value)


def call_of(record: Record) -> Call:
    """The resolver call that sets a record, or deletes it when its value is empty."""
    key, value = record.key, record.value
    if key.startswith(ADDRESS):
        number = coin_type(key.removeprefix(ADDRESS))
        return Call("setAddr", (number, encode_address(number, value) if value else b""))
    if key.startswith(TEXT):
        return Call("setText", (key.removeprefix(TEXT), _check_text(key, value)))
    if key == "contenthash":
        return Call("setContenthash", (encode_contenthash(value) if value else b"",))
    if key == "pubkey":
        return Call("setPubkey", _curve_point(value) if value else (ZERO_WORD, ZERO_WORD))
    if key == "model":
        return Call("set_model", (_model_id(value) if value else ZERO_WORD,))
    if key == "wildcard":
        return Call("set_wildcard", (_yes_or_no(value),))
    return Call("set_payto", (_account(value) if value else ZERO_ADDRESS,))


Read = Callable[..., Any]  # (function, *arguments after the node) -> the resolver's answer


def read_record(read: Read, key: str) -> Record:
    """The value that a name has now for a key in long form."""
    if key.startswith(ADDRESS):
        number = coin_type(key.removeprefix(ADDRESS))
        answer: tuple[Any, ...] = (number, read("addr", number))
    elif key.startswith(TEXT):
        word = key.removeprefix(TEXT)
        answer = (word, read("text", word))
    elif key == "pubkey":
        answer = tuple(read("pubkey"))
    else:
        answer = (read(key),)
    return Record(key, _text_of(key, answer))


def keys_in(events: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    """Long keys that a name may have records of: those it ever had, and those with one place.

    Args:
        events: Arguments of the resolver's `AddressChanged` and `TextChanged` about the name.
    """
    coins = {event["coinType"] for event in events.get("AddressChanged", ())}
    words = {event["key"] for event in events.get("TextChanged", ())}
    names = [ADDRESS + coin_name(number) for number in sorted(coins | {ETHEREUM})]
    return [*names, *SINGLE, *(TEXT + word for word in sorted(words | {"endpoint", "rpc"}))]


def _text_of(key: str, args: Sequence[Any]) -> str:
    """A stored value as people read it; "" for none."""
    if key.startswith(ADDRESS):
        number, binary = args
        return decode_address(number, binary) if binary else ""
    if key.startswith(TEXT):
        return str(args[1])
    if key == "contenthash":
        return decode_contenthash(args[0]) if args[0] else ""
    if key == "pubkey":
        x, y = args
        return "0x04" + x.hex() + y.hex() if any(x + y) else ""
    if key == "model":
        return "0x" + args[0].hex() if any(args[0]) else ""
    if key == "wildcard":
        return "yes" if args[0] else ""
    return "" if args[0] == ZERO_ADDRESS else str(args[0])


def _check_text(key: str, value: str) -> str:
    if len(value.encode()) > MAX_TEXT_BYTES:
        raise InvalidInputError(
            f"{key} has {len(value.encode())} bytes, expected at most {MAX_TEXT_BYTES}"
        )
    starts = _URL_KEYS.get(key.removeprefix(TEXT), ())
    if value and starts and not value.startswith(starts):
        raise InvalidInputError(f"{key} is {value!r:.100}, expected {' or '.join(starts)}...")
    return value


def _account(value: str) -> str:
    return decode_address(ETHEREUM, encode_address(ETHEREUM, value))


def _model_id(value: str) -> bytes:
    ref = parse_ref(value)
    if ref.model_id is None:
        raise InvalidInputError(
            f"model is {value!r:.100}, expected a manifest's CID or 0x and 64 hex digits"
        )
    return bytes(ref.model_id)


def _yes_or_no(value: str) -> bool:
    if value not in ("", "yes", "no", "true", "false"):
        raise InvalidInputError(f"wildcard is {value!r:.40}, expected yes or no")
    return value in ("yes", "true")


def _curve_point(value: str) -> tuple[bytes, bytes]:
    """The coordinates of a secp256k1 key in SEC1 form, compressed or not."""
    import coincurve

    if not re.fullmatch(r"0x(0[23][0-9a-fA-F]{64}|04[0-9a-fA-F]{128})", value):
        raise InvalidInputError(
            f"pubkey is {value!r:.40}, expected 0x02, 0x03 or 0x04 and the key in hex"
        )
    try:
        point = coincurve.PublicKey(bytes.fromhex(value[2:])).format(compressed=False)
    except ValueError:
        raise InvalidInputError(f"pubkey {value:.40} is not on the curve secp256k1") from None
    return point[1:33], point[33:]
