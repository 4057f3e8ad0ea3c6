"""The links of a dag-pb block: all that a block exchange must know to walk a DAG.

Source: https://ipld.io/specs/codecs/dag-pb/spec/ (PBNode.Links = 2; PBLink.Hash = 1, Tsize = 3).
"""

from collections.abc import Iterator
from typing import NamedTuple

from joynet_sdk.errors import InvalidInputError, VerificationError
from joynet_sdk.formats import DAG_PB, Cid

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class Link(NamedTuple):
    """A link.

    Attributes:
        cid: What it points to; a CIDv0 becomes the CIDv1 of the same block.
        size: Bytes of all blocks below, as its writer claims: for progress bars only.
    """

    cid: Cid
    size: int


def links(block: bytes) -> list[Link]:
    """Read the links of a dag-pb block.

    Raises:
        VerificationError: It is not dag-pb, or links by another hash than SHA-256.
    """
    try:
        return [_link(value) for field, value in _fields(block) if field == 2]
    except (InvalidInputError, IndexError, TypeError) as error:
        raise VerificationError(f"block is not dag-pb over SHA-256: {error}") from None


def _link(data: bytes | int) -> Link:
    cid, size = None, 0
    for field, value in _fields(data):
        if field == 1 and isinstance(value, bytes):
            is_v0 = len(value) == 34 and value[:2] == b"\x12\x20"
            cid = Cid(DAG_PB, value[2:]) if is_v0 else Cid.from_binary(value)
        elif field == 3 and isinstance(value, int):
            size = value
    if cid is None:
        raise InvalidInputError("a link without a hash")
    return Link(cid, size)


def _fields(data: bytes | int) -> Iterator[tuple[int, bytes | int]]:
    """Fields of a protobuf message; IndexError when it is cut short, TypeError when no message."""
    if isinstance(data, int):
        raise InvalidInputError("a number where a message was expected")
    at = 0
    while at < len(data):
        key, at = read_varint(data, at)
        kind = key & 7
        if kind == _VARINT:
            value, at = read_varint(data, at)
            yield key >> 3, value
            continue
        if kind == _BYTES:
            size, at = read_varint(data, at)
        elif kind in (_FIXED64, _FIXED32):
            size = 8 if kind == _FIXED64 else 4
        else:
            raise InvalidInputError(f"protobuf wire type {kind}")
        if at + size > len(data):
            raise InvalidInputError("protobuf field runs past the end")
        yield key >> 3, data[at : at + size]
        at += size


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """The unsigned varint at `at` and the position after it; IndexError past the end.

    Raises:
        InvalidInputError: More than 64 bits.
    """
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise InvalidInputError("varint of more than 64 bits")


def write_varint(value: int) -> bytes:
    """An unsigned varint."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
