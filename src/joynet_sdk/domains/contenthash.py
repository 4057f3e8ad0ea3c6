"""Content hashes: EIP-1577 (ipfs, ipns) and the swarm form of its registry."""

import base64
import re

from joynet_sdk.domains.bases import BASE36, BASE58, from_base, to_base
from joynet_sdk.errors import InvalidInputError

# Multicodec namespaces, as unsigned varints.
IPFS, SWARM, IPNS = b"\xe3\x01", b"\xe4\x01", b"\xe5\x01"
_CID_V1, _RAW, _DAG_PB, _LIBP2P_KEY = 0x01, 0x55, 0x70, 0x72
_SWARM_CID = bytes((0x01, 0xFA, 0x01, 0x1B, 0x20))  # CIDv1, swarm-manifest, keccak-256, 32 bytes
_SHA256, _IDENTITY = 0x12, 0x00
MAX_BYTES = 128
MAX_CID_CHARS = 256


def encode_contenthash(text: str) -> bytes:
    """`ipfs://CID`, `ipns://KEY` or `bzz://HASH` as a content hash.

    Args:
        text: The CID may be v0 or v1, the key a CIDv1 or a peer id, the hash 64 hex digits; a bare
            CID is IPFS; 0x and hex is taken as it is.

    Raises:
        InvalidInputError: None of these.
    """
    scheme, _, rest = text.strip().rpartition("://")
    rest = rest.rstrip("/")
    if not scheme and re.fullmatch(r"0x([0-9a-fA-F]{2})+", rest):
        binary = bytes.fromhex(rest[2:])
    elif scheme in ("", "ipfs"):
        binary = IPFS + _cid_v1(rest, _DAG_PB)
    elif scheme == "ipns":
        binary = IPNS + _cid_v1(rest, _LIBP2P_KEY)
    elif scheme == "bzz" and re.fullmatch(r"[0-9a-fA-F]{64}", rest):
        binary = SWARM + _SWARM_CID + bytes.fromhex(rest)
    else:
        raise InvalidInputError(
            f"content hash is {text!r:.120}, expected ipfs://CID, ipns://KEY or bzz://HASH"
        )
    if len(binary) > MAX_BYTES:
        raise InvalidInputError(
            f"content hash has {len(binary)} bytes, expected at most {MAX_BYTES}"
        )
    return binary


def decode_contenthash(binary: bytes) -> str:
    """A content hash as people read it; what is not known stays 0x and hex."""
    head, body = binary[:2], binary[2:]
    if head == SWARM and body[:5] == _SWARM_CID and len(body) == 37:
        return f"bzz://{body[5:].hex()}"
    if head == IPFS and body[:1] == bytes((_CID_V1,)):
        return f"ipfs://b{_base32(body)}"
    if head == IPNS and body[:1] == bytes((_CID_V1,)):
        return f"ipns://k{to_base(body, BASE36)}"
    return "0x" + binary.hex()


def _cid_v1(text: str, codec: int) -> bytes:
    """The binary CIDv1 of a CID in any common base; a bare multihash gets `codec`."""
    binary = _multibase(text)
    if binary[:2] == bytes((_SHA256, 32)) and len(binary) == 34:
        return bytes((_CID_V1, codec)) + binary  # CIDv0, or an RSA peer id
    if binary[:1] == bytes((_IDENTITY,)) and len(binary) == binary[1] + 2:
        return bytes((_CID_V1, codec)) + binary  # a peer id that holds its key
    if len(binary) > 4 and binary[0] == _CID_V1 and _is_multihash(_after_varint(binary[1:])):
        return binary
    raise _no_cid(text)


def _is_multihash(data: bytes) -> bool:
    rest = _after_varint(data)
    return len(rest) > 1 and len(rest) == rest[0] + 1


def _after_varint(data: bytes) -> bytes:
    end = next((i for i, byte in enumerate(data[:9]) if byte < 0x80), len(data))
    return data[end + 1 :]


def _multibase(text: str) -> bytes:
    if len(text) > MAX_CID_CHARS:
        raise _no_cid(text)
    try:
        if text.startswith("Qm") or re.fullmatch(r"(12D3|16U)\w+", text):
            return from_base(text, BASE58)
        head, body = text[:1], text[1:]
        if head == "b" and re.fullmatch(r"[a-z2-7]+", body):
            return base64.b32decode(body.upper() + "=" * (-len(body) % 8))
        if head == "k":
            return from_base(body, BASE36)
        if head == "z":
            return from_base(body, BASE58)
        if head == "f":
            return bytes.fromhex(body)
    except ValueError:
        pass
    raise _no_cid(text)


def _no_cid(text: str) -> InvalidInputError:
    return InvalidInputError(f"CID is {text!r:.120}, expected e.g. bafy..., Qm... or k51...")


def _base32(data: bytes) -> str:
    return base64.b32encode(data).decode().lower().rstrip("=")
