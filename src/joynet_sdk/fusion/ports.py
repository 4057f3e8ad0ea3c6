"""What `Fusion` asks of adapters: `client` hands them in, tests hand in fakes."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from joynet_sdk.formats import Card, Manifest
from joynet_sdk.mergeplans import Checkpoint, Difference, Plan
from joynet_sdk.types import ModelId


class Engine(Protocol):
    """Merges weights; `compute.merging.engine.MergeEngine` in use."""

    def open(self, folders: Mapping[str, Path]) -> AbstractContextManager[Mapping[str, Checkpoint]]:
        """The parents' headers."""

    def build(
        self,
        plan: Plan,
        folders: Mapping[str, Path],
        out: Path,
        *,
        is_fresh: bool = False,
        workers: int | None = None,
        on_bytes: Callable[[int], None] = ...,
    ) -> None:
        """Carry a plan out."""

    def seconds(self, plan: Plan) -> float:
        """About how long that computes here."""

    def compare(self, first: Path, second: Path) -> Iterator[Difference]:
        """Two models, tensor by tensor."""


class Located(Protocol):
    """A model whose files are here."""

    @property
    def model_id(self) -> bytes:
        """32 bytes; zero for one that is not published."""

    @property
    def folder(self) -> Path:
        """Its files."""


class Library(Protocol):
    """The local models; `storage.library.Library` in use."""

    def add(self, path: Path, card: Card) -> Manifest:
        """Scan, store, describe and pin a model."""

    def load(self, model_id: ModelId) -> Manifest:
        """A stored manifest."""


class Specs(Protocol):
    """Documents by digest; `storage.texts.Texts` in use."""

    def put(self, data: bytes) -> None:
        """Store a document, and keep it."""

    def get(self, digest: bytes) -> bytes | None:
        """A stored document, or None."""


Locate = Callable[[str], Located]
Scan = Callable[[Path], object]
