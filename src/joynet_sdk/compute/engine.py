"""What an engine is, and which one a manifest asks for."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from joynet_sdk.compositions.parts import Part as Part
from joynet_sdk.errors import InvalidInputError, JoyNetError
from joynet_sdk.formats import Manifest


class EngineError(JoyNetError):
    """A model's worker crashed, ran out of memory or time, or could not load."""

    code = "engine_failed"
    retryable = True


class Engine(Protocol):
    """A loaded model in its canonical profile: equal inputs give equal outputs."""

    def run(self, data: bytes) -> bytes:
        """Answer one request.

        Args:
            data: The request's bytes, as the manifest's `input` says.

        Returns:
            The response's bytes, as the manifest's `output` says.

        Raises:
            InvalidInputError: `data` does not fit the manifest's input.
        """
        ...


def open_engine(manifest: Manifest, folder: Path, parts: Sequence[Part] = ()) -> Engine:
    """Load the engine that the manifest names, from verified files.

    Args:
        parts: Every model that a composition needs, of all levels.

    Raises:
        InvalidInputError: An unknown profile, or files the engine cannot read.
        MissingDependencyError: The engine's packages are not installed.
    """
    match (manifest.engine.name, manifest.engine.profile):
        case ("qmodel", "qmodel/2"):
            from joynet_sdk.compute.integer import IntegerEngine

            return IntegerEngine(manifest, folder)
        case ("transformers", "embed-mean-fp32/1"):
            from joynet_sdk.compute.embedding import EmbeddingEngine

            return EmbeddingEngine(manifest, folder)
        case ("transformers", "classify-text-fp32/1"):
            from joynet_sdk.compute.classifying import TextClassifier

            return TextClassifier(manifest, folder)
        case ("transformers", "classify-image-fp32/1"):
            from joynet_sdk.compute.classifying import ImageClassifier

            return ImageClassifier(manifest, folder)
        case ("composition", "composition/1"):
            from joynet_sdk.compute.composition import CompositionEngine

            by_id = {bytes(part.manifest.model_id): part for part in parts}
            return CompositionEngine(manifest, folder, by_id)
        case (name, profile):
            raise InvalidInputError(
                f"engine {name} with profile {profile!r:.60} is not known to this version",
                hint="joynet version; a newer JoyNet may run it",
            )
