"""The models of one home: what `models.Models` asks of storage."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from joynet_sdk.errors import ConfigError, InvalidInputError, NotFoundError, VerificationError
from joynet_sdk.formats import Card, Cid, Manifest, decode_cid
from joynet_sdk.storage import exporter
from joynet_sdk.storage import manifest as manifests
from joynet_sdk.storage.blocks import DiskBlockStore
from joynet_sdk.storage.content_keys import ContentKeys
from joynet_sdk.storage.sealed_models import KeyFor
from joynet_sdk.storage.verifying import FileCheck, check_folder, check_stored
from joynet_sdk.types import ModelId

MAX_README_BYTES = 256 * 1024


class Library:
    """Models in a block store."""

    def __init__(self, store: DiskBlockStore, keys: ContentKeys | None = None) -> None:
        """
        Args:
            keys: Where the content keys of sealed models are kept.
        """
        self._store, self._keys = store, keys

    def add(self, path: Path, card: Card, *, is_sealed: bool = False) -> Manifest:
        """Scan, store, describe and pin a model.

        Args:
            is_sealed: Encrypt the files on their way into the store; the key is kept first.

        Raises:
            ConfigError: The key cannot be kept.
            InvalidInputError: A file is refused, or the description breaks a rule.
        """
        with self._store.adding():
            with self._store.batch() as batch:
                files = manifests.import_model(path, batch, key_for=self._key_for(is_sealed))
                manifest = manifests.make_manifest(files, card)
                manifests.store_manifest(manifest, batch)
            manifests.pin_model(self._store, manifest)
        return manifest

    def _key_for(self, is_sealed: bool) -> KeyFor | None:
        if not is_sealed:
            return None
        if self._keys is None:
            raise ConfigError("this library keeps no content keys, so it can seal no models")
        return self._keys.obtain

    def rewrite(self, manifest: Manifest) -> Manifest:
        """Store and pin another manifest of files that are stored.

        Raises:
            NotFoundError: A block of the files is missing.
        """
        with self._store.adding():
            with self._store.batch() as batch:
                manifests.store_manifest(manifest, batch)
            manifests.pin_model(self._store, manifest)
        return manifest

    def adding(self) -> AbstractContextManager[None]:
        """While it is held, nothing that is stored is collected."""
        return self._store.adding()

    def has(self, cid: Cid) -> bool:
        """Whether a block is stored."""
        return self._store.has(cid)

    def keep(self, manifest: Manifest) -> None:
        """Pin a model, and the spec of a fused one if that is stored.

        Raises:
            NotFoundError: A block of it is missing.
        """
        manifests.pin_model(self._store, manifest)

    def export(self, manifest: Manifest, target: Path, content_key: bytes | None = None) -> None:
        """Verify a model's files and write them to a new folder, opened.

        Raises:
            InvalidInputError: `target` exists, or the scan refuses a file.
            NotFoundError: A block is missing.
            VerificationError: A file is not what the manifest says.
        """
        manifests.export_model(self._store, manifest, target, content_key=content_key)

    def check(
        self, manifest: Manifest, folder: Path | None, on_bytes: Callable[[bytes], None]
    ) -> list[FileCheck]:
        """Compare a copy with the manifest, file by file.

        Args:
            folder: The copy; None for what is stored.
        """
        if folder is not None:
            return check_folder(folder, manifest, on_bytes)
        return check_stored(self._store, manifest, on_bytes)

    def readme(self, manifest: Manifest) -> str:
        """Text of README.md; "" when it is sealed, over 256 KiB, or not stored here as listed."""
        found = [file for file in manifest.files if file.path == "README.md"]
        if not found or manifest.sealed is not None or found[0].size > MAX_README_BYTES:
            return ""
        try:
            # No more than is listed: a few blocks can claim terabytes.
            data = b"".join(
                exporter.read_file(self._store, decode_cid(found[0].cid), 0, found[0].size)
            )
        except (NotFoundError, InvalidInputError, VerificationError):
            return ""
        return data.decode("utf-8", "replace")

    def load(self, model_id: ModelId) -> Manifest:
        """A stored manifest.

        Raises:
            NotFoundError: It is not stored.
        """
        return manifests.load_manifest(self._store, model_id)
