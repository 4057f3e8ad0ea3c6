"""CIDs, model ids and REFs: docs/spec/identifiers.md."""

import base64
import hashlib
import re
from typing import NamedTuple

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.types import ModelId

RAW, DAG_PB = 0x55, 0x70


class Cid(NamedTuple):
    """A CIDv1 over SHA-256.

    Attributes:
        codec: RAW (0x55) or DAG_PB (0x70).
        digest: 32 bytes.
    """

    codec: int
    digest: bytes

    def __str__(self) -> str:
        return encode_cid(self.codec, self.digest)

    @property
    def binary(self) -> bytes:
        """The 36-byte binary form: version, codec, sha2-256, length, digest."""
        return bytes((1, self.codec, 0x12, 0x20)) + self.digest

    @classmethod
    def of(cls, codec: int, block: bytes) -> "Cid":
        """The CID of a block's bytes."""
        return cls(codec, hashlib.sha256(block).digest())

    @classmethod
    def from_binary(cls, data: bytes) -> "Cid":
        """Decode the 36-byte binary form.

        Raises:
            InvalidInputError: Another version, codec, hash or length.
        """
        if len(data) != 36 or data[0] != 1 or data[1] not in (RAW, DAG_PB) or data[2:4] != b"\x12 ":
            raise InvalidInputError(
                f"CID bytes 0x{data[:40].hex()}: expected CIDv1, raw or dag-pb, sha2-256"
            )
        return cls(data[1], bytes(data[4:]))


def encode_cid(codec: int, digest: bytes) -> str:
    """Text form: multibase `b`, lower-case base32 without padding."""
    raw = Cid(codec, digest).binary
    return "b" + base64.b32encode(raw).decode().lower().rstrip("=")


def decode_cid(text: str) -> Cid:
    """Read a CIDv1 in base32 with sha2-256.

    Raises:
        InvalidInputError: Anything else, CIDv0 included.
    """
    expected = "expected a CIDv1 in base32, e.g. bafy... or bafk..."
    if text.startswith("Qm"):
        raise InvalidInputError(f"CID {text:.80} is a CIDv0, {expected}")
    if not re.fullmatch(r"b[a-z2-7]{58}", text):
        raise InvalidInputError(f"CID {text[:80]!r} is not valid, {expected}")
    body = text[1:].upper()
    cid = Cid.from_binary(base64.b32decode(body + "=" * (-len(body) % 8)))
    if str(cid) != text:
        raise InvalidInputError(f"CID {text:.80} has stray bits, {expected}")
    return cid


def model_cid(model_id: bytes) -> str:
    """The CID of the manifest block of a model id."""
    return encode_cid(RAW, model_id)


class Ref(NamedTuple):
    """What a user typed to name a model: exactly one of the two is set."""

    name: str | None = None
    model_id: ModelId | None = None
    version: str | None = None


def parse_ref(text: str) -> Ref:
    """Read a REF: `label.tld[@version]`, a manifest's CIDv1, or 0x + 64 hex digits.

    Raises:
        InvalidInputError: It is none of the three.
    """
    text = text.strip()
    if re.fullmatch(r"0x[0-9a-fA-F]{64}", text):
        return Ref(model_id=ModelId(bytes.fromhex(text[2:])))
    name, _, version = text.partition("@")
    if "." in name and len(name) <= 255 and not re.search(r"\s", name):
        return Ref(name=name, version=version or None)
    if re.fullmatch(r"b[a-z2-7]{58}", text):
        cid = decode_cid(text)
        if cid.codec == RAW:
            return Ref(model_id=ModelId(cid.digest))
        raise InvalidInputError(f"{text} is a folder or file, expected the CID of a manifest")
    raise InvalidInputError(
        f"REF {text[:80]!r}: expected a name (digits.joy), a manifest CID, or 0x + 64 hex digits"
    )
