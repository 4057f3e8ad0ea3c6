"""Calls written in YAML: `set_rules(uint256,(address,bytes32)[])` and its arguments as text."""

import re
from collections.abc import Sequence
from typing import Any

from joynet_sdk.errors import InvalidInputError

_SIGNATURE = re.compile(r"([A-Za-z_]\w*)\((.*)\)")
MAX_SIGNATURE_CHARS = 512
_BOOLEANS = {"true": True, "yes": True, "false": False, "no": False}


def encode_call(signature: str, args: Sequence[Any]) -> bytes:
    """Calldata of a function given by its ABI signature.

    Args:
        signature: name(type,type), structs as (type,type).
        args: Text, lists for arrays and structs; numbers may be decimal or 0x.

    Raises:
        InvalidInputError: The signature is none, or an argument does not fit its type.
    """
    from eth_abi.abi import encode
    from eth_abi.exceptions import EncodingError
    from eth_utils.crypto import keccak

    text = re.sub(r"\s", "", signature)
    match = _SIGNATURE.fullmatch(text) if len(text) <= MAX_SIGNATURE_CHARS else None
    if match is None:
        raise InvalidInputError(
            f"function is {signature!r:.100}, expected e.g. transfer(address,uint256)"
        )
    types = _split(match[2])
    if len(types) != len(args):
        raise InvalidInputError(f"{signature} takes {len(types)} arguments, got {len(args)}")
    values = [_value(kind, arg) for kind, arg in zip(types, args, strict=True)]
    try:
        return keccak(text=text)[:4] + encode(types, values)
    except (EncodingError, TypeError, ValueError, OverflowError) as error:
        raise InvalidInputError(f"arguments of {signature}: {error}") from None


def _split(types: str) -> list[str]:
    """Types between the commas of the outermost level."""
    if not types:
        return []
    parts, depth, start = [], 0, 0
    for at, char in enumerate(types):
        depth += {"(": 1, ")": -1}.get(char, 0)
        if char == "," and depth == 0:
            parts.append(types[start:at])
            start = at + 1
    return [*parts, types[start:]]


def _value(kind: str, text: Any) -> Any:
    """A YAML value as eth_abi takes it."""
    try:
        return _parsed(kind, text)
    except (ValueError, AttributeError):
        raise InvalidInputError(f"argument is {text!r:.100}, expected {kind}") from None


def _parsed(kind: str, text: Any) -> Any:
    if array := re.fullmatch(r"(.*)\[(\d*)\]", kind):
        if not isinstance(text, list) or (array[2] and len(text) != int(array[2])):
            raise ValueError
        return [_value(array[1], item) for item in text]
    if kind.startswith("("):
        parts = _split(kind[1:-1])
        if not isinstance(text, list) or len(text) != len(parts):
            raise ValueError
        return tuple(_value(part, item) for part, item in zip(parts, text, strict=True))
    if kind.startswith(("uint", "int")):
        return int(text.replace("_", ""), 0)
    if kind.startswith("bytes"):
        if not text.startswith("0x"):
            raise ValueError
        return bytes.fromhex(text[2:])
    if kind == "bool":
        if text.lower() not in _BOOLEANS:
            raise ValueError
        return _BOOLEANS[text.lower()]
    if kind == "address":
        return _address(text)
    if kind == "string":
        return str(text)
    raise ValueError


def _address(text: str) -> str:
    from joynet_sdk.domains.addresses import ETHEREUM, encode_address

    return "0x" + encode_address(ETHEREUM, text).hex()
