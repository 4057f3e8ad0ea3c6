"""Canonical JSON, hex and relative paths: docs/spec/identifiers.md."""

import json
import re
from pathlib import PurePosixPath
from typing import Any

import msgspec

from joynet_sdk.errors import InvalidInputError, VerificationError

MAX_SAFE_INTEGER = 2**53 - 1
MAX_DEPTH = 32
# An unterminated string runs to the end, and nothing is tried twice: no quadratic time.
_STRING_OR_BRACKET = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[{\]}]', re.DOTALL)


def canonical_json(value: Any) -> bytes:
    """Encode `value` as RFC 8785 JSON, restricted to integers.

    Args:
        value: dict with str keys, list, tuple, str, bool, None, or int with |n| <= 2^53 - 1.

    Raises:
        InvalidInputError: A float, a wide integer, a lone surrogate, or another type.
    """
    try:
        return _canonical(value, 0).encode()
    except UnicodeEncodeError as error:
        raise InvalidInputError(f"string {error.object!r:.60} is not valid Unicode") from None


def _canonical(value: Any, depth: int) -> str:
    if depth > MAX_DEPTH:
        raise InvalidInputError(f"JSON is nested deeper than {MAX_DEPTH} levels")
    if value is None or isinstance(value, bool | str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int):
        if abs(value) > MAX_SAFE_INTEGER:
            raise InvalidInputError(f"integer {value} passes 2^53 - 1, expected a decimal string")
        return str(value)
    if isinstance(value, list | tuple):
        return "[" + ",".join(_canonical(item, depth + 1) for item in value) + "]"
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
        pairs = (f"{_canonical(key, depth)}:{_canonical(value[key], depth + 1)}" for key in keys)
        return "{" + ",".join(pairs) + "}"
    raise InvalidInputError(f"canonical JSON cannot hold {type(value).__name__} {value!r:.60}")


def parse_canonical_json(data: bytes) -> Any:
    """Decode bytes that must be exactly what `canonical_json` writes.

    Raises:
        VerificationError: Not JSON, or not in canonical form (duplicate keys, spaces, floats...).
    """
    try:
        check_json_depth(data)
        value = json.loads(data)
        again = canonical_json(value)
    except ValueError as error:  # InvalidInputError is one
        raise VerificationError(f"not canonical JSON: {error}") from None
    if again != data:
        raise VerificationError("not canonical JSON: re-encoding gives other bytes")
    return value


def decode_typed_json(data: bytes, kind: Any) -> Any:
    """Decode JSON straight into a type; what does not fit is refused before it is built.

    Args:
        kind: A type that msgspec knows, e.g. `dict[str, list[int]]`. Without free-form parts the
            parser never recurses deeper than the type itself.

    Raises:
        InvalidInputError: Not JSON, not UTF-8, or of another shape.
    """
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"JSON: {error}") from None


def check_json_depth(data: bytes) -> None:
    """Bound the nesting of JSON before a recursive parser sees it; takes linear time.

    Raises:
        InvalidInputError: Nested deeper than 32 levels.
    """
    depth = 0
    for token in _STRING_OR_BRACKET.finditer(data):
        depth += {b"[": 1, b"{": 1, b"]": -1, b"}": -1}.get(token[0], 0)
        if depth > MAX_DEPTH:
            raise InvalidInputError(f"JSON is nested deeper than {MAX_DEPTH} levels")


def check_relative_path(path: str) -> None:
    """Refuse a path that could leave its folder.

    Raises:
        InvalidInputError: Empty, absolute, with `..`, `.`, a NUL, a backslash or empty parts.
    """
    parts = path.split("/")
    if (
        len(path) > 1024
        or PurePosixPath(path).is_absolute()
        or any(part in ("", ".", "..") for part in parts)
        or any(char in path for char in "\x00\\")
    ):
        raise InvalidInputError(f"path {path[:80]!r}: expected a plain relative path without '..'")


def parse_hex(text: str, size: int | None, what: str) -> bytes:
    """Read `0x` + lower-case hex.

    Args:
        size: Expected bytes, or None for any length.

    Raises:
        InvalidInputError: Upper case, odd length, or another size.
    """
    if not re.fullmatch(r"0x(?:[0-9a-f]{2})*", text) or size not in (None, len(text) // 2 - 1):
        length = "0x + lower-case hex" if size is None else f"0x + {2 * size} lower-case hex digits"
        raise InvalidInputError(f"{what} {text[:80]!r}: expected {length}")
    return bytes.fromhex(text[2:])
