"""Encode calls, decode answers and events, from a contract's ABI (Solidity ABI specification).

Values in and out: integers, booleans, checksummed addresses, `bytes`, text, lists, and a struct as
a dict by field name (a tuple or a dataclass is accepted too). Text is accepted for numbers ("12")
and bytes ("0xab"), which is what a command line or a JSON document carries.
"""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from joynet_sdk.errors import InvalidInputError, NotFoundError, VerificationError

if TYPE_CHECKING:
    from eth_abi.codec import ABICodec

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_ARRAY = re.compile(r"^(.*)\[(\d*)\]$")


@dataclass(frozen=True)
class Event:
    """One decoded log.

    Attributes:
        contract: Contract name.
        name: Event name.
        args: Values by argument name.
        address: Emitting contract, checksummed.
        block: Block number.
        block_hash: 0x + 64 hex.
        log_index: Position in the block.
        tx_hash: 0x + 64 hex.
    """

    contract: str
    name: str
    args: dict[str, Any]
    address: str
    block: int
    block_hash: str
    log_index: int
    tx_hash: str


class Abi:
    """The ABI of one contract."""

    def __init__(self, contract: str, entries: Sequence[Mapping[str, Any]]) -> None:
        self.contract, self.entries = contract, list(entries)

    @cached_property
    def _by_topic(self) -> dict[bytes, Mapping[str, Any]]:
        return {event_topic(e): e for e in self.entries if e["type"] == "event"}

    @property
    def function_names(self) -> list[str]:
        """Every function, sorted, default-argument variants once."""
        return sorted({e["name"] for e in self.entries if e["type"] == "function"})

    def function(self, name: str, arg_count: int) -> Mapping[str, Any]:
        """Find a function by name and number of arguments (Vyper defaults give several).

        Raises:
            NotFoundError: No function has this name.
            InvalidInputError: None of them takes this many arguments.
        """
        named = [e for e in self.entries if e["type"] == "function" and e["name"] == name]
        if not named:
            names = ", ".join(self.function_names)
            raise NotFoundError("function", f"{self.contract}.{name}", hint=f"it has: {names}")
        for entry in named:
            if len(entry["inputs"]) == arg_count:
                return entry
        takes = " or ".join(signature(entry) for entry in named)
        raise InvalidInputError(f"{self.contract}.{name} got {arg_count} arguments, takes {takes}")

    def is_view(self, name: str, arg_count: int) -> bool:
        """Whether calling it never needs a transaction."""
        return self.function(name, arg_count)["stateMutability"] in ("view", "pure")

    def encode_call(self, name: str, args: Sequence[Any]) -> bytes:
        """Calldata of `name(*args)`."""
        from eth_utils.crypto import keccak

        entry = self.function(name, len(args))
        return keccak(text=signature(entry))[:4] + _encode(entry["inputs"], args, name)

    def encode_constructor(self, args: Sequence[Any]) -> bytes:
        """Constructor arguments, to follow the deployment bytecode."""
        none: Mapping[str, Any] = {"inputs": []}
        entry = next((e for e in self.entries if e["type"] == "constructor"), none)
        if len(entry["inputs"]) != len(args):
            raise InvalidInputError(
                f"{self.contract} constructor got {len(args)} arguments, takes "
                f"{', '.join(_label(i) for i in entry['inputs']) or 'none'}"
            )
        return _encode(entry["inputs"], args, "constructor")

    def decode_output(self, name: str, arg_count: int, data: bytes) -> Any:
        """What `name` returned: one value, a tuple of several, or None.

        Raises:
            VerificationError: The data does not fit the ABI (e.g. no contract at that address).
        """
        outputs = self.function(name, arg_count)["outputs"]
        values = self._decode(outputs, data, name)
        if not values:
            return None
        return values[0] if len(values) == 1 else tuple(values)

    def decode_input(self, data: bytes) -> tuple[str, list[Any]]:
        """The function name and arguments of calldata; ("", []) when it is none of ours."""
        from eth_utils.crypto import keccak

        for entry in self.entries:
            if entry["type"] == "function" and keccak(text=signature(entry))[:4] == data[:4]:
                return entry["name"], self._decode(entry["inputs"], data[4:], entry["name"])
        return "", []

    def event_topics(self, name: str, filters: Mapping[str, Any]) -> list[str | list[str] | None]:
        """`eth_getLogs` topics of an event; a filter value may be a list (any of them)."""
        entry = next((e for e in self._by_topic.values() if e["name"] == name), None)
        if entry is None:
            names = ", ".join(sorted(e["name"] for e in self._by_topic.values()))
            raise NotFoundError("event", f"{self.contract}.{name}", hint=f"it has: {names}")
        indexed = {i["name"]: i for i in entry["inputs"] if i["indexed"]}
        if unknown := sorted(set(filters) - set(indexed)):
            raise InvalidInputError(
                f"{name} cannot be filtered by {unknown}, only by {sorted(indexed)}"
            )
        topics: list[str | list[str] | None] = ["0x" + event_topic(entry).hex()]
        for key, spec in indexed.items():
            wanted = filters.get(key)
            many = wanted if isinstance(wanted, list) else [wanted]
            words = ["0x" + _encode([spec], [w], name).hex() for w in many if w is not None]
            topics.append(words or None)
        return topics

    def decode_log(self, log: Mapping[str, Any]) -> Event | None:
        """Decode a JSON-RPC log; None when the event is not in this ABI."""
        topics = [bytes.fromhex(t[2:]) for t in log["topics"]]
        entry = self._by_topic.get(topics[0]) if topics else None
        if entry is None:
            return None
        indexed = [i for i in entry["inputs"] if i["indexed"]]
        plain = [i for i in entry["inputs"] if not i["indexed"]]
        if len(topics) != len(indexed) + 1:
            return None
        words = {
            spec["name"]: _topic_value(self, spec, topic)
            for spec, topic in zip(indexed, topics[1:], strict=True)
        }
        data = self._decode(plain, bytes.fromhex(log["data"][2:]), entry["name"])
        words |= {spec["name"]: value for spec, value in zip(plain, data, strict=True)}
        return Event(
            contract=self.contract,
            name=entry["name"],
            args={spec["name"]: words[spec["name"]] for spec in entry["inputs"]},
            address=checksum(log["address"]),
            block=int(log["blockNumber"], 16),
            block_hash=log["blockHash"],
            log_index=int(log["logIndex"], 16),
            tx_hash=log["transactionHash"],
        )

    def _decode(self, specs: Sequence[Mapping[str, Any]], data: bytes, what: str) -> list[Any]:
        from eth_abi.exceptions import DecodingError

        try:
            values = codec().decode([canonical(spec) for spec in specs], data)
        except (DecodingError, OverflowError, UnicodeDecodeError) as error:
            raise VerificationError(
                f"{self.contract}.{what} answered {len(data)} bytes that do not fit its ABI",
                hint="is the contract deployed on this chain? joynet contracts list",
            ) from error
        return [_present(spec, value) for spec, value in zip(specs, values, strict=True)]


@cache
def codec() -> "ABICodec":
    """An ABI codec that is strict in every process.

    Loading Ape changes eth_abi's global registry: an empty answer then decodes as 0.
    """
    from eth_abi.codec import ABICodec
    from eth_abi.decoding import UnsignedIntegerDecoder
    from eth_abi.encoding import UnsignedIntegerEncoder
    from eth_abi.registry import BaseEquals, registry

    strict = registry.copy()  # type: ignore[no-untyped-call]
    strict.unregister("uint")
    uint = BaseEquals("uint")  # type: ignore[no-untyped-call]
    strict.register(uint, UnsignedIntegerEncoder, UnsignedIntegerDecoder, "uint")
    return ABICodec(strict)


def canonical(spec: Mapping[str, Any]) -> str:
    """The canonical type of an ABI argument, structs expanded: "(address,uint256)[]"."""
    kind = str(spec["type"])
    if not kind.startswith("tuple"):
        return kind
    return f"({','.join(canonical(c) for c in spec['components'])}){kind[5:]}"


def signature(entry: Mapping[str, Any]) -> str:
    """name(type,type) of a function or an event."""
    return f"{entry['name']}({','.join(canonical(i) for i in entry['inputs'])})"


def event_topic(entry: Mapping[str, Any]) -> bytes:
    """keccak256 of the event's signature."""
    from eth_utils.crypto import keccak

    return keccak(text=signature(entry))


def checksum(address: str, what: str = "address") -> str:
    """An address in EIP-55 form.

    Args:
        address: 0x + 40 hex digits.
        what: What it is, for the error.

    Raises:
        InvalidInputError: Not 0x + 40 hex digits, or mixed case with a wrong checksum.
    """
    from eth_utils.address import to_checksum_address

    if isinstance(address, str) and _ADDRESS.fullmatch(address):
        digits, right = address[2:], str(to_checksum_address(address))
        if digits in (digits.lower(), digits.upper()) or address == right:
            return right
    raise InvalidInputError(
        f"{what} is {address!r}, expected 0x and 40 hex digits with a right checksum"
    )


def _label(spec: Mapping[str, Any]) -> str:
    return f"{canonical(spec)} {spec['name']}".strip()


def _topic_value(abi: Abi, spec: Mapping[str, Any], topic: bytes) -> Any:
    kind = canonical(spec)
    if kind in ("string", "bytes") or kind.endswith("]") or kind.startswith("("):
        return topic  # only its hash is kept
    return abi._decode([spec], topic, spec["name"])[0]


def _encode(specs: Sequence[Mapping[str, Any]], args: Sequence[Any], what: str) -> bytes:
    from eth_abi.exceptions import EncodingError

    values = [
        _accept(spec, arg, f"{what}.{spec['name']}") for spec, arg in zip(specs, args, strict=True)
    ]
    for spec, value in zip(specs, values, strict=True):
        try:
            codec().encode([canonical(spec)], [value])
        except (EncodingError, TypeError, ValueError, OverflowError):
            raise InvalidInputError(
                f"{what}.{spec['name']} is {value!r}, expected {canonical(spec)}"
            ) from None
    return codec().encode([canonical(spec) for spec in specs], values)


def _accept(spec: Mapping[str, Any], value: Any, what: str) -> Any:
    """Bring a value into the form eth_abi takes."""
    kind = str(spec["type"])
    if array := _ARRAY.match(kind):
        if isinstance(value, str | bytes) or not isinstance(value, Sequence):
            raise InvalidInputError(f"{what} is {value!r}, expected a list of {array[1]}")
        return [_accept({**spec, "type": array[1]}, item, what) for item in value]
    if kind == "tuple":
        return _accept_struct(spec["components"], value, what)
    if kind == "address":
        return checksum(getattr(value, "address", value), what)
    if isinstance(value, str) and kind.startswith("bytes"):
        return _hex(value, what)
    if isinstance(value, str) and kind.startswith(("uint", "int")):
        try:
            return int(value, 0)
        except ValueError:
            raise InvalidInputError(f"{what} is {value!r}, expected a whole number") from None
    if kind == "bool" and value in ("true", "false"):
        return value == "true"
    return value


def _accept_struct(parts: Sequence[Mapping[str, Any]], value: Any, what: str) -> tuple[Any, ...]:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {part["name"]: getattr(value, part["name"], None) for part in parts}
    names = [part["name"] for part in parts]
    if isinstance(value, Mapping):
        if set(value) != set(names):
            raise InvalidInputError(f"{what} has fields {sorted(value)}, expected {names}")
        value = [value[name] for name in names]
    if not isinstance(value, Sequence) or len(value) != len(parts):
        raise InvalidInputError(f"{what} is {value!r}, expected a struct of {names}")
    return tuple(
        _accept(part, item, f"{what}.{part['name']}")
        for part, item in zip(parts, value, strict=True)
    )


def _hex(text: str, what: str) -> bytes:
    try:
        if not text.startswith("0x"):
            raise ValueError
        return bytes.fromhex(text[2:])
    except ValueError:
        raise InvalidInputError(f"{what} is {text!r}, expected 0x-prefixed hex") from None


def _present(spec: Mapping[str, Any], value: Any) -> Any:
    """Bring a decoded value into the form callers get."""
    kind = str(spec["type"])
    if array := _ARRAY.match(kind):
        return [_present({**spec, "type": array[1]}, item) for item in value]
    if kind == "tuple":
        parts = spec["components"]
        return {p["name"]: _present(p, item) for p, item in zip(parts, value, strict=True)}
    return checksum(value) if kind == "address" else value
