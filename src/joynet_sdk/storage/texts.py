"""Small documents kept by their SHA-256, such as the texts of proposals: one raw block each."""

from joynet_sdk.formats import RAW, Cid
from joynet_sdk.storage import pins
from joynet_sdk.storage.blocks import DiskBlockStore


class Texts:
    """Documents in a block store, pinned."""

    def __init__(self, store: DiskBlockStore, what: str = "proposal") -> None:
        """
        Args:
            what: Name of the pins.
        """
        self._store, self._what = store, what

    def put(self, data: bytes) -> None:
        """Store a document, and keep it."""
        cid = Cid.of(RAW, data)
        with self._store.adding():
            self._store.put(cid, data)
            pins.pin(self._store, cid, self._what)

    def get(self, digest: bytes) -> bytes | None:
        """A stored document, verified; None when it is not here."""
        return self._store.get(Cid(RAW, digest))
