"""The models of one home: what `models.Models` asks of storage."""

from pathlib import Path

from joynet_sdk.formats import Card, Manifest
from joynet_sdk.storage import manifest as manifests
from joynet_sdk.storage.blocks import DiskBlockStore
from joynet_sdk.types import ModelId


class Library:
    """Models in a block store."""

    def __init__(self, store: DiskBlockStore) -> None:
        self._store = store

    def add(self, path: Path, card: Card) -> Manifest:
        """Scan, store, describe and pin a model.

        Raises:
            InvalidInputError: A file is refused, or the description breaks a rule.
        """
        with self._store.adding():
            with self._store.batch() as batch:
                files = manifests.import_model(path, batch)
                manifest = manifests.make_manifest(
                    files,
                    title=card.title,
                    architecture=card.architecture,
                    engine=card.engine,
                    verification=card.verification,
                    input_spec=card.input,
                    output_spec=card.output,
                    license_id=card.license,
                    publisher=card.publisher,
                    tolerance=card.tolerance,
                )
                manifests.store_manifest(manifest, batch)
            manifests.pin_model(self._store, manifest)
        return manifest

    def load(self, model_id: ModelId) -> Manifest:
        """A stored manifest.

        Raises:
            NotFoundError: It is not stored.
        """
        return manifests.load_manifest(self._store, model_id)
