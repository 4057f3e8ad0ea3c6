"""Model manifests: from a folder to blocks and a manifest, and back, every file checked.

The format is docs/spec/manifest.md; `joynet_sdk.formats.Manifest` holds its types.
"""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from joynet_sdk.errors import AuthError, NotFoundError, VerificationError
from joynet_sdk.formats import (
    RAW,
    Card,
    Cid,
    Manifest,
    ManifestFile,
    Sealing,
    decode_cid,
    decode_manifest,
    fusion_cid,
)
from joynet_sdk.keywrap import content_key_hash
from joynet_sdk.storage import exporter, pins
from joynet_sdk.storage.blocks import DiskBlockStore
from joynet_sdk.storage.exporter import Source
from joynet_sdk.storage.importer import Entry, Node, OnBytes, Sink, build_directory, import_file
from joynet_sdk.storage.profiles import UNIXFS_V1_2025, Profile
from joynet_sdk.storage.scan import Scan, scan_model
from joynet_sdk.storage.sealed_models import (
    KeyFor,
    content_id,
    open_model,
    plain_digests,
    seal_files,
)
from joynet_sdk.storage.sealing import sealed_size
from joynet_sdk.types import ModelId

_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "spiece.model", "vocab.txt")
_TEMPLATES = ("chat_template.jinja", "chat_template.json")


class ModelFiles(NamedTuple):
    """A model's files, stored.

    Attributes:
        root: CID of the directory that holds them.
        files: As the manifest lists them.
        scan: What was found before they were stored.
        sealed: How they were encrypted, or None.
    """

    root: Cid
    files: list[ManifestFile]
    scan: Scan
    sealed: Sealing | None = None

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
    key_for: KeyFor | None = None,
) -> ModelFiles:
    """Scan a model's file or folder and store exactly what the scan allowed.

    Args:
        sink: A store's batch, or `HashOnly()` to compute the manifest without storing.
        on_bytes: Sees every chunk that is stored.
        key_for: Gives the content key to seal the files with; None: they are stored as they are.

    Raises:
        InvalidInputError: The scan refuses it, or a file changed meanwhile.
    """
    scan = scan_model(path)
    if key_for is not None:
        return _import_sealed(scan, sink, profile, on_bytes, key_for)
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


def _import_sealed(
    scan: Scan, sink: Sink, profile: Profile, on_bytes: OnBytes | None, key_for: KeyFor
) -> ModelFiles:
    digests = plain_digests(scan)
    key = key_for(content_id(digests))
    sealed = seal_files(scan, digests, key, sink, profile, on_bytes)
    nodes = {file.entry.path: file.node for file in sealed}
    sealing = Sealing(key_hash="0x" + content_key_hash(key).hex())
    root = _build_tree(nodes, sink, profile).cid
    return ModelFiles(root, [file.entry for file in sealed], scan, sealing)


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


def make_manifest(model: ModelFiles, card: Card) -> Manifest:
    """Describe stored files as a model.

    Raises:
        InvalidInputError: A rule of the format is broken.
    """
    document = Manifest(
        title=card.title,
        architecture=card.architecture,
        engine=card.engine,
        verification=card.verification,  # type: ignore[arg-type]  # checked when decoded below
        root=str(model.root),
        files=model.files,
        input=card.input,
        output=card.output,
        license=card.license,
        publisher=card.publisher,
        tokenizer=model.tokenizer,
        template=model.template,
        tolerance=card.tolerance,
        parents=card.parents,
        version=card.version,
        previous=card.previous,
        card=card.card,
        quantization=model.scan.quantization,
        sealed=model.sealed,
        fusion=card.fusion,
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
    """Keep a model: its manifest and its files, all of which must be stored, and its fusion spec
    if that is.

    Raises:
        NotFoundError: A block is missing.
    """
    name = f"model {manifest.title}"[:255]
    with store.adding():
        pins.pin(store, Cid(RAW, manifest.model_id), name)
        pins.pin(store, decode_cid(manifest.root), name)
        spec = fusion_cid(manifest)
        if spec is not None and store.has(spec):
            pins.pin(store, spec, name)


def unpin_model(store: DiskBlockStore, manifest: Manifest) -> None:
    """Stop keeping a model; a fusion spec stays, other models may name it.

    Raises:
        NotFoundError: It is not pinned.
    """
    pins.unpin(store, Cid(RAW, manifest.model_id))
    pins.unpin(store, decode_cid(manifest.root))


def verify_model(source: Source, manifest: Manifest, on_bytes: OnBytes | None = None) -> None:
    """Check that the root holds exactly the listed files, each with its CID, size and SHA-256.

    A sealed model is checked as it is stored, without its key.

    Raises:
        NotFoundError: A block is not stored.
        VerificationError: Names the first file that differs.
    """
    verify_root(source, manifest)
    for file in manifest.files:
        verify_file(source, file, on_bytes)


def verify_root(source: Source, manifest: Manifest) -> None:
    """Check that the root holds exactly the listed files, each with its CID.

    Raises:
        NotFoundError: A block of a directory is not stored.
        VerificationError: Names the first path that differs.
    """
    listed = {file.path: decode_cid(file.cid) for file in manifest.files}
    folders = _folders(manifest)
    held = dict(_walk(source, decode_cid(manifest.root), "", folders))
    if held != listed:
        paths = sorted(set(held.items()) ^ set(listed.items()))
        raise VerificationError(
            f"model {manifest.title[:80]!r}: root and manifest differ at {paths[0][0]}"
        )


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


def verify_file(source: Source, file: ManifestFile, on_bytes: OnBytes | None = None) -> None:
    """Check what is stored of one file: of a sealed model, the ciphertext.

    Raises:
        NotFoundError: A block is not stored.
        VerificationError: Its size or SHA-256 is not the manifest's.
    """
    expected, digest = file.size, file.sha256
    if file.sealed_sha256 is not None:
        expected, digest = sealed_size(file.size), file.sealed_sha256
    hasher, size = hashlib.sha256(), 0
    for piece in exporter.read_file(source, decode_cid(file.cid)):
        size += len(piece)
        hasher.update(piece)
        if on_bytes is not None:
            on_bytes(piece)
    if size != expected:
        raise VerificationError(f"{file.path} has {size} bytes, the manifest says {expected}")
    if "0x" + hasher.hexdigest() != digest:
        raise VerificationError(
            f"{file.path} has SHA-256 0x{hasher.hexdigest()}, the manifest says {digest}"
        )


def export_model(
    source: Source,
    manifest: Manifest,
    target: Path,
    on_bytes: OnBytes | None = None,
    content_key: bytes | None = None,
) -> Scan:
    """Verify a model, write its files and scan them; their folder appears only if all is well.

    Args:
        content_key: Opens a sealed model; not looked at for others.

    Returns:
        The scan: safe to hand to an engine.

    Raises:
        AuthError: The model is sealed, and there is no key.
        InvalidInputError: `target` exists, or the scan refuses a file.
        VerificationError: Something differs from the manifest.
    """
    if manifest.sealed is not None:
        if content_key is None:
            raise AuthError(
                f"model {manifest.title[:80]!r} is sealed, and no key of it is here",
                hint=f"joynet model buy 0x{manifest.model_id.hex()}",
            )
        return open_model(source, manifest, content_key, target, on_bytes)
    verify_model(source, manifest)
    total = sum(file.size for file in manifest.files)
    entries = 1 + len(manifest.files) + len(_folders(manifest))
    limits = exporter.Limits(max_bytes=total, max_entries=entries)
    scans: list[Scan] = []
    exporter.export(
        source,
        decode_cid(manifest.root),
        target,
        limits=limits,
        on_bytes=on_bytes,
        check=lambda folder: scans.append(scan_model(folder)),
    )
    return scans[0]._replace(root=target.absolute())
