"""A model that takes part in a composition; light, so that every engine may import it."""

from dataclasses import dataclass
from pathlib import Path

from joynet_sdk.formats import Manifest


@dataclass(frozen=True, slots=True)
class Part:
    """A model that a composition is made of, and where its verified files lie."""

    manifest: Manifest
    folder: Path
