"""dag-pb nodes and the UnixFS message inside them: encode, and decode what strangers send.

Sources: https://ipld.io/specs/codecs/dag-pb/spec/ and https://specs.ipfs.tech/unixfs/ .
"""

from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import NamedTuple

from joynet_sdk.errors import InvalidInputError, VerificationError
from joynet_sdk.formats import DAG_PB, Cid

MURMUR3_X64_64 = 0x22
"""Multihash code of the hash that places names in a sharded directory."""

_CID_V0_PREFIX = b"\x12\x20"
_MAX_UINT64 = 2**64 - 1


class Kind(IntEnum):
    """UnixFS node types."""

    RAW = 0
    DIRECTORY = 1
    FILE = 2
    METADATA = 3
    SYMLINK = 4
    SHARD = 5


class Link(NamedTuple):
    """One link of a dag-pb node.

    Attributes:
        name: UTF-8 text; "" for the chunks of a file.
        cid: What it points to.
        tsize: Bytes of all blocks below, as its writer claims: never trust it.
    """

    name: str
    cid: Cid
    tsize: int


class UnixFs(NamedTuple):
    """The UnixFS message.

    Attributes:
        kind: What the node is.
        data: File bytes held inline, or a shard's bitfield (big-endian, no leading zero byte).
        size: Bytes of the file below this node, None when absent.
        block_sizes: File bytes below each link.
        hash_type: Multihash code that places names in a shard.
        fanout: Slots of a shard.
    """

    kind: Kind
    data: bytes = b""
    size: int | None = None
    block_sizes: tuple[int, ...] = ()
    hash_type: int = 0
    fanout: int = 0


# --- encoding ---------------------------------------------------------------------------------


def varint(value: int) -> bytes:
    """Unsigned LEB128."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _field(number: int, body: bytes) -> bytes:
    return bytes((number << 3 | 2,)) + varint(len(body)) + body


def encode_link(name: bytes, cid: Cid, tsize: int) -> bytes:
    """One link as it lies in its node, tag and length included."""
    body = _field(1, cid.binary) + _field(2, name) + b"\x18" + varint(tsize)
    return _field(2, body)


def encode_node(links: Sequence[bytes], data: bytes) -> bytes:
    """A node from encoded links (already in order) and its UnixFS message."""
    return b"".join(links) + _field(1, data)


def encode_file(block_sizes: Sequence[int]) -> bytes:
    """UnixFS message of a file node whose links hold `block_sizes` file bytes each."""
    sizes = b"".join(b"\x20" + varint(size) for size in block_sizes)
    return b"\x08\x02\x18" + varint(sum(block_sizes)) + sizes


DIRECTORY_MESSAGE = b"\x08\x01"


def encode_shard(bitfield: int, fanout: int) -> bytes:
    """UnixFS message of one node of a sharded directory; bit i says that slot i is taken."""
    bits = bitfield.to_bytes((bitfield.bit_length() + 7) // 8, "big")
    tail = b"\x28" + varint(MURMUR3_X64_64) + b"\x30" + varint(fanout)
    return b"\x08\x05" + _field(2, bits) + tail


# --- decoding ---------------------------------------------------------------------------------


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 70:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            if value > _MAX_UINT64:
                break
            return value, at
    raise VerificationError(f"protobuf: no whole varint before byte {at} of {len(data)}")


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Fields of a protobuf message in order: an int for varints, else the bytes."""
    at = 0
    while at < len(data):
        tag, at = _read_varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, at = _read_varint(data, at)
            yield number, value
            continue
        if wire == 2:
            size, at = _read_varint(data, at)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise VerificationError(f"protobuf: wire type {wire} at byte {at} is not in use")
        if size > len(data) - at:
            raise VerificationError(
                f"protobuf: field {number} has {size} bytes, {len(data) - at} left"
            )
        yield number, data[at : at + size]
        at += size


def _bytes(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise VerificationError(f"protobuf: field {number} is a number, expected bytes")
    return value


def _int(number: int, value: int | bytes) -> int:
    if isinstance(value, bytes):
        raise VerificationError(f"protobuf: field {number} has bytes, expected a number")
    return value


def _decode_cid(data: bytes) -> Cid:
    if len(data) == 34 and data[:2] == _CID_V0_PREFIX:
        return Cid(DAG_PB, data[2:])
    try:
        return Cid.from_binary(data)
    except InvalidInputError as error:
        raise VerificationError(f"dag-pb link: {error}") from None


def _decode_link(data: bytes) -> Link:
    cid, name, tsize = None, "", 0
    for number, value in _fields(data):
        if number == 1:
            cid = _decode_cid(_bytes(number, value))
        elif number == 2:
            try:
                name = _bytes(number, value).decode()
            except UnicodeDecodeError:
                raise VerificationError(f"dag-pb link name {value!r:.80} is not UTF-8") from None
        elif number == 3:
            tsize = _int(number, value)
        else:
            raise VerificationError(f"dag-pb link has unknown field {number}")
    if cid is None:
        raise VerificationError(f"dag-pb link {name!r:.80} has no CID")
    return Link(name, cid, tsize)


def decode_node(block: bytes) -> tuple[list[Link], bytes]:
    """Read a dag-pb block.

    Returns:
        Its links in order, and its data.

    Raises:
        VerificationError: Truncated, unknown or repeated fields, or a CID that is not sha2-256.
    """
    links: list[Link] = []
    data: bytes | None = None
    for number, value in _fields(block):
        if number == 2:
            links.append(_decode_link(_bytes(number, value)))
        elif number == 1 and data is None:
            data = _bytes(number, value)
        else:
            raise VerificationError(f"dag-pb node has an unknown or repeated field {number}")
    return links, data or b""


def decode_links(cid: Cid, block: bytes) -> list[Cid]:
    """What a block links to: nothing for a raw one."""
    return [link.cid for link in decode_node(block)[0]] if cid.codec == DAG_PB else []


def decode_unixfs(message: bytes) -> UnixFs:
    """Read the UnixFS message of a node.

    Raises:
        VerificationError: Malformed, or without a known type.
    """
    kind: Kind | None = None
    data, size, sizes, hash_type, fanout = b"", None, list[int](), 0, 0
    for number, value in _fields(message):
        if number == 1:
            if value not in Kind._value2member_map_:
                raise VerificationError(f"UnixFS type {value!r:.20} is not known, expected 0 to 5")
            kind = Kind(_int(number, value))
        elif number == 2:
            data = _bytes(number, value)
        elif number == 3:
            size = _int(number, value)
        elif number == 4:
            sizes += _packed(value) if isinstance(value, bytes) else [value]
        elif number == 5:
            hash_type = _int(number, value)
        elif number == 6:
            fanout = _int(number, value)
    if kind is None:
        raise VerificationError("UnixFS message has no type")
    return UnixFs(kind, data, size, tuple(sizes), hash_type, fanout)


def _packed(data: bytes) -> list[int]:
    values, at = [], 0
    while at < len(data):
        value, at = _read_varint(data, at)
        values.append(value)
    return values
