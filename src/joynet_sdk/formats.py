"""Canonical JSON, CIDs, model ids, REFs, manifests: docs/spec/identifiers.md and manifest.md."""

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any, Literal, NamedTuple

import msgspec

from joynet_sdk.errors import InvalidInputError, VerificationError
from joynet_sdk.types import ModelId

RAW, DAG_PB = 0x55, 0x70
MAX_SAFE_INTEGER = 2**53 - 1
MAX_DEPTH = 32
MAX_MANIFEST_BYTES = 64 * 1024
# An unterminated string runs to the end, and nothing is tried twice: no quadratic time.
_STRING_OR_BRACKET = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[{\]}]', re.DOTALL)


# --- canonical JSON ---------------------------------------------------------------------------


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


# --- CIDs -------------------------------------------------------------------------------------


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


# --- model ids and REFs -----------------------------------------------------------------------


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


# --- manifest ---------------------------------------------------------------------------------


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of the manifest's parts."""


class ManifestFile(_Document, frozen=True, kw_only=True):
    """One file of a model; `sha256` is over its bytes, `cid` is its UnixFS root."""

    path: str
    size: int
    sha256: str
    cid: str


class Engine(_Document, frozen=True, kw_only=True):
    """Which engine runs the model, and in which canonical profile."""

    name: Literal["qmodel", "transformers"]
    profile: str


class InputSpec(_Document, frozen=True, kw_only=True):
    """What a request's bytes are."""

    kind: Literal["tensor", "text"]
    dtype: str
    shape: list[int]
    labels: list[str] = []
    max_bytes: int = 4096


class OutputSpec(_Document, frozen=True, kw_only=True):
    """What a response's bytes are; `scale` turns int8 logits into real ones."""

    kind: Literal["logits", "vector"]
    dtype: str
    shape: list[int]
    labels: list[str] = []
    scale: str | None = None


class Parent(_Document, frozen=True, kw_only=True):
    """A model this one was made from, and its share of the income in basis points."""

    model: str
    share_bps: int


class Manifest(_Document, frozen=True, kw_only=True):
    """What a published model is; `model_id` is the digest of its canonical JSON."""

    title: str
    architecture: str
    engine: Engine
    verification: Literal["exact", "tolerant"] = msgspec.field(name="class")
    root: str
    files: list[ManifestFile]
    input: InputSpec
    output: OutputSpec
    license: str
    publisher: str | None = None
    tokenizer: str | None = None
    template: str | None = None
    tolerance: int | None = None
    parents: list[Parent] = []
    format: Literal["joynet-manifest/1"] = "joynet-manifest/1"

    def encode(self) -> bytes:
        """Canonical JSON: the raw block that is stored."""
        return canonical_json(msgspec.to_builtins(self))

    @property
    def model_id(self) -> ModelId:
        """SHA-256 of the canonical JSON, 32 bytes."""
        return ModelId(hashlib.sha256(self.encode()).digest())


class Card(_Document, frozen=True, kw_only=True):
    """What a publisher says about files: everything of a manifest but the files themselves."""

    title: str
    license: str
    architecture: str
    engine: Engine
    verification: str
    input: InputSpec
    output: OutputSpec
    tolerance: int | None = None
    publisher: str | None = None

    def by(self, publisher: str) -> "Card":
        """The same, naming the account that may list the model."""
        return msgspec.structs.replace(self, publisher=publisher)

    def with_labels(self, labels: Sequence[str]) -> "Card":
        """The same with names for a classifier's outputs."""
        output = msgspec.structs.replace(self.output, labels=list(labels))
        return msgspec.structs.replace(self, output=output)


def decode_manifest(data: bytes) -> Manifest:
    """Read and check a manifest block.

    Raises:
        InvalidInputError: Too long, not canonical, unknown or mistyped fields, or broken rules.
    """
    if len(data) > MAX_MANIFEST_BYTES:
        raise InvalidInputError(f"manifest has {len(data)} bytes, expected <= {MAX_MANIFEST_BYTES}")
    try:
        manifest = msgspec.convert(parse_canonical_json(data), Manifest)
    except (msgspec.ValidationError, VerificationError) as error:
        raise InvalidInputError(f"manifest: {error}") from None
    if manifest.encode() != data:
        raise InvalidInputError("manifest leaves out a field, expected every field of the spec")
    _check_manifest(manifest)
    return manifest


def _check_manifest(manifest: Manifest) -> None:
    decode_cid(manifest.root)
    paths = [file.path for file in manifest.files]
    if not 1 <= len(paths) <= 1024 or paths != sorted(set(paths)):
        raise InvalidInputError("manifest files: expected 1 to 1,024 unique paths, sorted")
    for file in manifest.files:
        check_relative_path(file.path)
        decode_cid(file.cid)
        parse_hex(file.sha256, 32, "manifest sha256")
        if file.size < 0:
            raise InvalidInputError(f"manifest size of {file.path} is {file.size}, expected >= 0")
    publisher = manifest.publisher
    if publisher is not None and not re.fullmatch(r"0x[0-9a-fA-F]{40}", publisher):
        raise InvalidInputError(f"manifest publisher {publisher!r:.60}: not an address")
    for spec in (manifest.input, manifest.output):
        if len(spec.shape) > 8 or any(not 0 < side <= 2**24 for side in spec.shape):
            raise InvalidInputError(f"manifest shape {spec.shape}: expected <= 8 positive sides")
    if (manifest.verification == "tolerant") != (manifest.tolerance is not None):
        raise InvalidInputError("manifest tolerance: expected for class tolerant, and only there")
    if len(manifest.parents) > 8 or sum(p.share_bps for p in manifest.parents) > 10_000:
        raise InvalidInputError("manifest parents: expected at most 8, shares at most 10,000 bps")


def check_lister(manifest: Manifest, lister: str) -> None:
    """Refuse a listing made by another account than the manifest names: it was copied.

    Args:
        lister: Address that listed the model.

    Raises:
        VerificationError: It is not the publisher.
    """
    publisher = manifest.publisher
    if publisher is not None and publisher.lower() != lister.lower():
        raise VerificationError(
            f"model {manifest.title[:60]!r} was listed by {lister}, its publisher is {publisher}",
            hint="do not use this listing; the publisher can publish under another title",
        )


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
