"""What a composition is made of, of all levels, within bounds on depth, models and bytes."""

from collections.abc import Callable
from pathlib import Path

from joynet_sdk.compositions.checking import decode
from joynet_sdk.compositions.document import FILE, MAX_DOCUMENT_BYTES, PROFILE, Composition
from joynet_sdk.compositions.parts import Part
from joynet_sdk.errors import InvalidInputError, NotFoundError
from joynet_sdk.formats import Manifest
from joynet_sdk.types import ModelId

MAX_DEPTH = 4  # a composition of single models has depth 1
MAX_MODELS = 32  # of all levels together, compositions included
MAX_BYTES = 16 << 30  # of all files together


def is_composition(manifest: Manifest) -> bool:
    """Whether a model is made of other models when it runs."""
    return (manifest.engine.name, manifest.engine.profile) == ("composition", PROFILE)


class Nesting:
    """Counts what one composition needs while its parts are gathered.

    Args:
        max_bytes: Of all files together.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._sizes: dict[bytes, int] = {}

    def enter(self, manifest: Manifest, path: tuple[bytes, ...]) -> bool:
        """Take up one model.

        Args:
            path: Model ids of the compositions that it is in, outermost first.

        Returns:
            Whether it was not met before: its files and parts are still to be gathered.

        Raises:
            InvalidInputError: Too deep, too many models, too many bytes, or a model within itself
                (which no hash allows; checked all the same).
        """
        model_id = manifest.model_id
        if model_id in path:
            raise InvalidInputError(f"composition 0x{model_id.hex()} contains itself")
        if len(path) > MAX_DEPTH or (is_composition(manifest) and len(path) >= MAX_DEPTH):
            raise InvalidInputError(
                f"compositions are nested deeper than {MAX_DEPTH}",
                hint="compose the single models directly",
            )
        is_new = model_id not in self._sizes
        self._sizes[model_id] = sum(file.size for file in manifest.files)
        if len(self._sizes) > MAX_MODELS:
            raise InvalidInputError(f"composition needs over {MAX_MODELS} models")
        if (total := sum(self._sizes.values())) > self._max_bytes:
            raise InvalidInputError(
                f"composition needs {total:,} bytes of models, expected at most {self._max_bytes:,}"
            )
        return is_new


def read_composition(folder: Path) -> Composition:
    """The checked document of a composition's folder.

    Raises:
        NotFoundError: None there.
        InvalidInputError: Too long, or it does not fit together.
    """
    path = folder / FILE
    if not path.is_file():
        raise NotFoundError("composition", path, hint="joynet fuse compose")
    with path.open("rb") as file:
        return decode(file.read(MAX_DOCUMENT_BYTES + 1))


def gather(composition: Composition, locate: Callable[[ModelId], Part]) -> list[Part]:
    """Every model that a composition on this machine needs, each once.

    Args:
        locate: Brings a model here.

    Raises:
        InvalidInputError: A bound is passed.
    """
    nesting, found = Nesting(), []
    waiting: list[tuple[Composition, tuple[bytes, ...]]] = [(composition, (b"",))]
    while waiting:
        document, path = waiting.pop()
        for component in document.components:
            part = locate(component.model_id)
            if nesting.enter(part.manifest, path):
                found.append(part)
                if is_composition(part.manifest):
                    inside = (*path, component.model_id)
                    waiting.append((read_composition(part.folder), inside))
    return found
