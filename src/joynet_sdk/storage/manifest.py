"""Model manifests: from a folder to blocks and a manifest, and back, every file checked.

The format is docs/spec/manifest.md; `joynet_sdk.formats.Manifest` holds its types.
"""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from joynet_sdk.errors import NotFoundError, VerificationError
from joynet_sdk.formats import (
    RAW,
    Cid,
    Engine,
    InputSpec,
    Manifest,
    ManifestFile,
    OutputSpec,
    Parent,
    decode_cid,
    decode_manifest,
)
from joynet_sdk.storage import exporter, pins
from joynet_sdk.storage.blocks import DiskBlockStore
from joynet_sdk.storage.exporter import Source
from joynet_sdk.storage.importer import Entry, Node, OnBytes, Sink, build_directory, import_file
from joynet_sdk.storage.profiles import UNIXFS_V1_2025, Profile
from joynet_sdk.storage.scan import Scan, scan_model
from joynet_sdk.types import ModelId

_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "spiece.model", "vocab.txt")
_TEMPLATES = ("chat_template.jinja", "chat_template.json")


class ModelFiles(NamedTuple):
    """A model's files, stored.

    Attributes:
        root: CID of the directory that holds them.
        files: As the manifest lists them.
        scan: What was found before they were stored.
    """

    root: Cid
    files: list[ManifestFile]
    scan: Scan

    def digest_of(self, names: tuple[str, ...]) -> str | None:
        """SHA-256 of the first of these files that is there, or None."""
        digests = {file.path: file.sha256 for file in self.files}
        return next((digests[name] for name in names if name in digests), None)

    @property
    def tokenizer(self) -> str | None:
        """SHA-256 of the tokenizer's file, or None."""
        return self.digest_of(_TOKENIZERS)

    @property
    def template(self) -> str | None:
        """SHA-256 of the chat template, or None."""
        return self.digest_of(_TEMPLATES)


def import_model(
    path: Path,
    sink: Sink,
    profile: Profile = UNIXFS_V1_2025,
    on_bytes: Callable[[bytes], None] | None = None,
) -> ModelFiles:
    """Scan a model's file or folder and store exactly what the scan allowed.

    Args:
        sink: A store's batch, or `HashOnly()` to compute the manifest without storing.
        on_bytes: Sees every chunk.

    Raises:
        InvalidInputError: The scan refuses it, or a file changed meanwhile.
    """
    scan = scan_model(path)
    files: list[ManifestFile] = []
    nodes: dict[str, Node] = {}
    for scanned in scan.files:
        hasher = hashlib.sha256()
        node = import_file(scan.root / scanned.path, sink, profile, _tee(hasher.update, on_bytes))
        digest = "0x" + hasher.hexdigest()
        files.append(
            ManifestFile(path=scanned.path, size=node.size, sha256=digest, cid=str(node.cid))
        )
        nodes[scanned.path] = node
    return ModelFiles(_build_tree(nodes, sink, profile).cid, files, scan)


def _tee(first: OnBytes, second: OnBytes | None) -> OnBytes:
    def both(data: bytes) -> None:
        first(data)
        if second is not None:
            second(data)

    return both


def _build_tree(nodes: dict[str, Node], sink: Sink, profile: Profile) -> Node:
    """Directories over files given by relative path."""
    entries: list[Entry] = []
    folders: dict[str, dict[str, Node]] = {}
    for path, node in nodes.items():
        head, _, rest = path.partition("/")
        if rest:
            folders.setdefault(head, {})[rest] = node
        else:
            entries.append(Entry(head, node))
    for name, inside in folders.items():
        entries.append(Entry(name, _build_tree(inside, sink, profile)))
    return build_directory(entries, sink, profile)


def make_manifest(
    model: ModelFiles,
    *,
    title: str,
    architecture: str,
    engine: Engine,
    verification: str,
    input_spec: InputSpec,
    output_spec: OutputSpec,
    license_id: str,
    publisher: str | None = None,
    tolerance: int | None = None,
    parents: list[Parent] | None = None,
) -> Manifest:
    """Describe stored files as a model.

    Args:
        architecture: `qmodel/2`, or a transformers `model_type`.
        verification: "exact" or "tolerant".
        license_id: SPDX identifier.
        publisher: Account that may list the model.
        tolerance: Largest L-infinity distance in int16 steps; for "tolerant" only.

    Raises:
        InvalidInputError: A rule of the format is broken.
    """
    document = Manifest(
        title=title,
        architecture=architecture,
        engine=engine,
        verification=verification,  # type: ignore[arg-type]  # checked when decoded below
        root=str(model.root),
        files=model.files,
        input=input_spec,
        output=output_spec,
        license=license_id,
        publisher=publisher,
        tokenizer=model.tokenizer,
        template=model.template,
        tolerance=tolerance,
        parents=parents or [],
    )
    return decode_manifest(document.encode())


def store_manifest(manifest: Manifest, sink: Sink) -> Cid:
    """Store a manifest as one raw block; its digest is the model id."""
    data = manifest.encode()
    cid = Cid.of(RAW, data)
    sink.put(cid, data)
    return cid


def load_manifest(source: Source, model_id: ModelId) -> Manifest:
    """Read a manifest block.

    Raises:
        NotFoundError: It is not stored.
        InvalidInputError: It breaks the format.
    """
    cid = Cid(RAW, model_id)
    data = source.get(cid)
    if data is None:
        raise NotFoundError("manifest", cid, hint="fetch the model first")
    return decode_manifest(data)


def pin_model(store: DiskBlockStore, manifest: Manifest) -> None:
    """Keep a model: its manifest and its files, all of which must be stored.

    Raises:
        NotFoundError: A block is missing.
    """
    name = f"model {manifest.title}"[:255]
    with store.adding():
        pins.pin(store, Cid(RAW, manifest.model_id), name)
        pins.pin(store, decode_cid(manifest.root), name)


def unpin_model(store: DiskBlockStore, manifest: Manifest) -> None:
    """Stop keeping a model.

    Raises:
        NotFoundError: It is not pinned.
    """
    pins.unpin(store, Cid(RAW, manifest.model_id))
    pins.unpin(store, decode_cid(manifest.root))


def verify_model(source: Source, manifest: Manifest, on_bytes: OnBytes | None = None) -> None:
    """Check that the root holds exactly the listed files, each with its CID, size and SHA-256.

    Raises:
        NotFoundError: A block is not stored.
        VerificationError: Names the first file that differs.
    """
    listed = {file.path: decode_cid(file.cid) for file in manifest.files}
    folders = _folders(manifest)
    held = dict(_walk(source, decode_cid(manifest.root), "", folders))
    if held != listed:
        paths = sorted(set(held.items()) ^ set(listed.items()))
        raise VerificationError(
            f"model {manifest.title[:80]!r}: root and manifest differ at {paths[0][0]}"
        )
    for file in manifest.files:
        _verify_file(source, file, on_bytes)


def _folders(manifest: Manifest) -> set[str]:
    """Every folder that a listed path goes through, each with a final slash."""
    paths = (PurePosixPath(file.path) for file in manifest.files)
    return {f"{parent}/" for path in paths for parent in path.parents if parent.name}


def _walk(source: Source, cid: Cid, prefix: str, folders: set[str]) -> Iterator[tuple[str, Cid]]:
    """Files below a directory; enters only folders that the manifest knows."""
    for child in exporter.list_directory(source, cid):
        path = prefix + child.name
        if not exporter.info(source, child.cid).is_directory:
            yield path, child.cid
        elif f"{path}/" in folders:
            yield from _walk(source, child.cid, f"{path}/", folders)
        else:
            raise VerificationError(f"root has a folder {path[:80]!r}, the manifest has none")


def _verify_file(source: Source, file: ManifestFile, on_bytes: OnBytes | None) -> None:
    hasher, size = hashlib.sha256(), 0
    for piece in exporter.read_file(source, decode_cid(file.cid)):
        size += len(piece)
        hasher.update(piece)
        if on_bytes is not None:
            on_bytes(piece)
    if size != file.size:
        raise VerificationError(f"{file.path} has {size} bytes, the manifest says {file.size}")
    if "0x" + hasher.hexdigest() != file.sha256:
        raise VerificationError(
            f"{file.path} has SHA-256 0x{hasher.hexdigest()}, the manifest says {file.sha256}"
        )


def export_model(
    source: Source, manifest: Manifest, target: Path, on_bytes: OnBytes | None = None
) -> Scan:
    """Verify a model, write its files to a new folder and scan them there.

    Returns:
        The scan: safe to hand to an engine.

    Raises:
        InvalidInputError: `target` exists, or the scan refuses a file.
        VerificationError: Something differs from the manifest.
    """
    verify_model(source, manifest)
    total = sum(file.size for file in manifest.files)
    entries = 1 + len(manifest.files) + len(_folders(manifest))
    limits = exporter.Limits(max_bytes=total, max_entries=entries)
    exporter.export(source, decode_cid(manifest.root), target, limits=limits, on_bytes=on_bytes)
    return scan_model(target)
