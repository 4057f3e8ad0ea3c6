"""Model manifests: docs/spec/manifest.md."""

import hashlib
import re
from collections.abc import Sequence
from typing import Literal

import msgspec

from joynet_sdk.errors import InvalidInputError, VerificationError
from joynet_sdk.formats.encoding import (
    canonical_json,
    check_relative_path,
    parse_canonical_json,
    parse_hex,
)
from joynet_sdk.formats.identifiers import RAW, Cid, decode_cid
from joynet_sdk.types import ModelId

MAX_MANIFEST_BYTES = 64 * 1024
MAX_SPEC_BYTES = 512 * 1024  # of a fusion's document
MAX_SUMMARY = 512  # characters
MAX_TAGS = 32
MAX_CARD_LIST = 128  # languages, datasets, base models: of each
MAX_CARD_WORD = 128  # characters of each word
CHUNK_BYTES = 1 << 20


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of the manifest's parts."""


class ManifestFile(_Document, frozen=True, kw_only=True):
    """One file of a model.

    Attributes:
        size: Bytes of the file; of a sealed model, before it was encrypted.
        sha256: Over the same bytes, 0x + 64 hex digits.
        cid: UnixFS root of what is stored; of a sealed model, of the ciphertext.
        sealed_sha256: Over the ciphertext; None where the model is not sealed.
    """

    path: str
    size: int
    sha256: str
    cid: str
    sealed_sha256: str | None = None


class Engine(_Document, frozen=True, kw_only=True):
    """Which engine runs the model, and in which canonical profile."""

    name: Literal["qmodel", "transformers", "composition"]
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


class ModelCard(_Document, frozen=True, kw_only=True):
    """What a publisher says of a model to people: a part of Hugging Face's model card.

    Attributes:
        summary: At most 512 characters.
        task: Hugging Face's pipeline tag, e.g. "image-classification", or None.
        languages: Codes, e.g. "en".
        base_models: What it was tuned from, as its card says; royalties are `parents`' matter.
    """

    summary: str = ""
    task: str | None = None
    tags: list[str] = []
    languages: list[str] = []
    datasets: list[str] = []
    base_models: list[str] = []


class Sealing(_Document, frozen=True, kw_only=True):
    """How the files of a sealed model are encrypted: docs/spec/sealed-models.md.

    Attributes:
        chunk_bytes: Bytes of plaintext in each chunk.
        key_hash: Commitment to the content key, 0x + 64 hex digits.
    """

    cipher: Literal["aes-256-gcm-chunked/1"] = "aes-256-gcm-chunked/1"
    chunk_bytes: int = CHUNK_BYTES
    key_hash: str


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
    version: str = "1"
    previous: str | None = None
    card: ModelCard = ModelCard()
    quantization: str | None = None
    sealed: Sealing | None = None
    fusion: str | None = None
    format: Literal["joynet-manifest/1"] = "joynet-manifest/1"

    def encode(self) -> bytes:
        """Canonical JSON: the raw block that is stored."""
        return canonical_json(msgspec.to_builtins(self))

    def revised(
        self, *, title: str, version: str, license_id: str, labels: Sequence[str]
    ) -> "Manifest":
        """The version after this one: the same files under another description.

        Raises:
            InvalidInputError: A rule of the format is broken.
        """
        if labels and [len(labels)] != self.output.shape:
            raise InvalidInputError(f"{len(labels)} labels, expected {self.output.shape[0]}")
        changed = msgspec.structs.replace(
            self,
            title=title,
            version=version,
            license=license_id,
            output=msgspec.structs.replace(self.output, labels=list(labels)),
            previous="0x" + self.model_id.hex(),
        )
        return decode_manifest(changed.encode())

    @property
    def model_id(self) -> ModelId:
        """SHA-256 of the canonical JSON, 32 bytes."""
        return ModelId(hashlib.sha256(self.encode()).digest())


class Card(_Document, frozen=True, kw_only=True):
    """What a publisher says about files: everything of a manifest but the files themselves.

    Attributes:
        version: The publisher's label, e.g. "1.2.0".
        previous: Model id of the version before, 0x + 64 hex digits.
        fusion: SHA-256 of the FusionSpec of a fused model, 0x + 64 hex digits.
    """

    title: str
    license: str
    architecture: str
    engine: Engine
    verification: str
    input: InputSpec
    output: OutputSpec
    tolerance: int | None = None
    publisher: str | None = None
    version: str = "1"
    previous: str | None = None
    card: ModelCard = ModelCard()
    parents: list[Parent] = []
    fusion: str | None = None

    def by(self, publisher: str) -> "Card":
        """The same, naming the account that may list the model."""
        return msgspec.structs.replace(self, publisher=publisher)

    def told(self, version: str, card: ModelCard) -> "Card":
        """The same with a version and what is said to people."""
        return msgspec.structs.replace(self, version=version, card=card)

    def after(self, previous: ModelId) -> "Card":
        """The same as the version that follows `previous`."""
        return msgspec.structs.replace(self, previous="0x" + previous.hex())

    def made_from(self, parents: Sequence[Parent], fusion: str) -> "Card":
        """The same as a fused model: its parents' shares, and the digest of its FusionSpec."""
        return msgspec.structs.replace(self, parents=list(parents), fusion=fusion)

    def with_tag(self, tag: str) -> "Card":
        """The same with one more tag for people."""
        told = msgspec.structs.replace(self.card, tags=[*self.card.tags, tag])
        return msgspec.structs.replace(self, card=told)

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
    _check_files(manifest)
    publisher = manifest.publisher
    if publisher is not None and not re.fullmatch(r"0x[0-9a-fA-F]{40}", publisher):
        raise InvalidInputError(f"manifest publisher {publisher!r:.60}: not an address")
    for spec in (manifest.input, manifest.output):
        if len(spec.shape) > 8 or any(not 0 < side <= 2**24 for side in spec.shape):
            raise InvalidInputError(f"manifest shape {spec.shape}: expected <= 8 positive sides")
    if (manifest.verification == "tolerant") != (manifest.tolerance is not None):
        raise InvalidInputError("manifest tolerance: expected for class tolerant, and only there")
    _check_origin(manifest)
    _check_card(manifest.card)


def _check_files(manifest: Manifest) -> None:
    paths = [file.path for file in manifest.files]
    if not 1 <= len(paths) <= 1024 or paths != sorted(set(paths)):
        raise InvalidInputError("manifest files: expected 1 to 1,024 unique paths, sorted")
    for file in manifest.files:
        check_relative_path(file.path)
        if any(part.startswith(".") for part in file.path.split("/")):  # no scan looks at these
            raise InvalidInputError(
                f"manifest path {file.path[:80]!r}: expected no hidden file or folder"
            )
        decode_cid(file.cid)
        parse_hex(file.sha256, 32, "manifest sha256")
        if file.size < 0:
            raise InvalidInputError(f"manifest size of {file.path} is {file.size}, expected >= 0")
        if (file.sealed_sha256 is None) != (manifest.sealed is None):
            raise InvalidInputError(
                f"manifest sealed_sha256 of {file.path}: expected for sealed models, and only there"
            )
        if file.sealed_sha256 is not None:
            parse_hex(file.sealed_sha256, 32, "manifest sealed_sha256")
    if manifest.sealed is not None:
        parse_hex(manifest.sealed.key_hash, 32, "manifest key_hash")
        if manifest.sealed.chunk_bytes != CHUNK_BYTES:
            raise InvalidInputError(
                f"manifest chunk_bytes is {manifest.sealed.chunk_bytes}, expected {CHUNK_BYTES}"
            )


def _check_origin(manifest: Manifest) -> None:
    """Where it comes from: version, parents, the document it was fused by."""
    check_version(manifest.version)
    if manifest.previous is not None:
        parse_hex(manifest.previous, 32, "manifest previous")
    if manifest.fusion is not None:
        parse_hex(manifest.fusion, 32, "manifest fusion")
    parents = manifest.parents
    for parent in parents:
        parse_hex(parent.model, 32, "manifest parent")
    is_fair = all(p.share_bps >= 0 for p in parents) and sum(p.share_bps for p in parents) <= 10_000
    if len(parents) > 8 or len({p.model for p in parents}) < len(parents) or not is_fair:
        raise InvalidInputError(
            "manifest parents: expected at most 8, each once, shares at most 10,000 bps in all"
        )
    text = manifest.quantization
    if text is not None and not re.fullmatch(r"[0-9A-Za-z_:.+-]{1,64}", text):
        raise InvalidInputError(f"manifest quantization {text!r:.80}: expected e.g. int8, bf16+f32")


def check_version(version: str) -> None:
    """Refuse what is no version label.

    Raises:
        InvalidInputError: Not 1 to 32 of 0-9 A-Z a-z . + -
    """
    if not re.fullmatch(r"[0-9A-Za-z.+-]{1,32}", version):
        raise InvalidInputError(
            f"version {version[:40]!r}: expected 1 to 32 letters, digits, dots, plus or minus",
            hint="e.g. 1.2.0",
        )


def _check_card(card: ModelCard) -> None:
    if len(card.summary) > MAX_SUMMARY:
        raise InvalidInputError(
            f"card summary has {len(card.summary)} characters, expected <= {MAX_SUMMARY}"
        )
    lists = {
        "task": [card.task] if card.task is not None else [],
        "tags": card.tags,
        "languages": card.languages,
        "datasets": card.datasets,
        "base_models": card.base_models,
    }
    for name, words in lists.items():
        most = MAX_TAGS if name == "tags" else MAX_CARD_LIST
        if len(words) > most:
            raise InvalidInputError(f"card {name}: {len(words)}, expected <= {most}")
        if any(not 1 <= len(word) <= MAX_CARD_WORD for word in words):
            raise InvalidInputError(f"card {name}: expected 1 to {MAX_CARD_WORD} characters each")


def fusion_cid(manifest: Manifest) -> Cid | None:
    """Where the spec of a fused model lies: one raw block; None for other models."""
    return Cid(RAW, bytes.fromhex(manifest.fusion[2:])) if manifest.fusion else None


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
