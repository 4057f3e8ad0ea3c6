"""Whole models sealed into a store, and opened into a folder (docs/spec/sealed-models.md)."""

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.formats import Cid, Manifest, ManifestFile, canonical_json, decode_cid
from joynet_sdk.keywrap import check_content_key
from joynet_sdk.paths import private_dir, sync_dir
from joynet_sdk.storage import exporter
from joynet_sdk.storage.errors import translated
from joynet_sdk.storage.exporter import Source
from joynet_sdk.storage.importer import Node, OnBytes, Sink, import_stream, open_regular
from joynet_sdk.storage.profiles import Profile
from joynet_sdk.storage.scan import Scan, scan_model
from joynet_sdk.storage.sealing import CHUNK_BYTES, SealingReader, open_pieces

KeyFor = Callable[[bytes], bytes]
"""From the digest of a model's plaintexts to the content key to seal it with."""


class SealedFile(NamedTuple):
    """One file, sealed and stored.

    Attributes:
        entry: As the manifest lists it.
        node: Of the ciphertext.
    """

    entry: ManifestFile
    node: Node


def plain_digests(scan: Scan) -> dict[str, bytes]:
    """Path -> SHA-256 of each file that was scanned."""
    digests = {}
    for file in scan.files:
        with open_regular(scan.root / file.path) as stream:
            hasher = hashlib.sha256()
            while piece := stream.read(CHUNK_BYTES):
                hasher.update(piece)
        digests[file.path] = hasher.digest()
    return digests


def content_id(digests: dict[str, bytes]) -> bytes:
    """One digest of a model's plaintexts: what its key is kept under."""
    pairs = [[path, "0x" + digests[path].hex()] for path in sorted(digests)]
    return hashlib.sha256(canonical_json(pairs)).digest()


def seal_files(
    scan: Scan,
    digests: dict[str, bytes],
    content_key: bytes,
    sink: Sink,
    profile: Profile,
    on_bytes: OnBytes | None = None,
) -> list[SealedFile]:
    """Seal each file on its way into a store: no ciphertext lies anywhere else.

    Args:
        digests: Of `plain_digests`.
        content_key: 32 bytes.
        on_bytes: Sees every chunk of ciphertext.

    Raises:
        InvalidInputError: A file changed meanwhile.
    """
    sealed = []
    for file in scan.files:
        hasher = hashlib.sha256()

        def see(piece: bytes, update: OnBytes = hasher.update) -> None:
            update(piece)
            if on_bytes is not None:
                on_bytes(piece)

        digest = digests[file.path]
        with open_regular(scan.root / file.path) as plain:
            reader = SealingReader(plain, file.size, digest, file.path, content_key)
            node = import_stream(reader, sink, profile, see)
        entry = ManifestFile(
            path=file.path,
            size=file.size,
            sha256="0x" + digest.hex(),
            cid=str(node.cid),
            sealed_sha256="0x" + hasher.hexdigest(),
        )
        sealed.append(SealedFile(entry, node))
    return sealed


def open_model(
    source: Source,
    manifest: Manifest,
    content_key: bytes,
    target: Path,
    on_bytes: OnBytes | None = None,
) -> Scan:
    """Open a sealed model into a new folder, which appears whole, verified and scanned, or not.

    Args:
        source: Holds the ciphertexts.
        content_key: 32 bytes.
        target: Must not exist; its parent must.
        on_bytes: Sees every chunk of plaintext.

    Returns:
        The scan of the plaintext: safe to hand to an engine.

    Raises:
        InvalidInputError: `target` exists, or the scan refuses a file.
        NotFoundError: A block is not stored.
        VerificationError: Another model's key, or a file is not the manifest's.
        StoreError: The disk is full.
    """
    if manifest.sealed is None:
        raise InvalidInputError(f"model {manifest.title[:80]!r} is not sealed")
    check_content_key(content_key, bytes.fromhex(manifest.sealed.key_hash[2:]))
    target = target.absolute()
    if target.is_symlink() or target.exists():
        raise InvalidInputError(f"{target} exists", hint="choose another path with -o")
    if not target.parent.is_dir():
        raise InvalidInputError(
            f"{target.parent} is not a folder", hint=f"mkdir -p {target.parent}"
        )
    with translated(target.parent):
        staging = Path(tempfile.mkdtemp(prefix=f".{target.name[:100]}.", dir=target.parent))
        try:
            content = private_dir(staging / "content")
            for file in manifest.files:
                _open_file(source, file, content_key, content / file.path, on_bytes)
            scan = scan_model(content)
            for folder in [content, *(path for path in content.rglob("*") if path.is_dir())]:
                sync_dir(folder)
            exporter.move_new(content, target)
        finally:
            with contextlib.suppress(OSError):
                shutil.rmtree(staging)
        sync_dir(target.parent)
    return scan._replace(root=target)


def _open_file(
    source: Source, file: ManifestFile, key: bytes, path: Path, on_bytes: OnBytes | None
) -> None:
    private_dir(path.parent)
    cid: Cid = decode_cid(file.cid)
    pieces = exporter.read_file(source, cid)
    digest = bytes.fromhex(file.sha256[2:])
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb", buffering=CHUNK_BYTES) as out:
        for chunk in open_pieces(pieces, file.size, digest, file.path, key):
            out.write(chunk)
            if on_bytes is not None:
                on_bytes(chunk)
        out.flush()
        os.fsync(out.fileno())
