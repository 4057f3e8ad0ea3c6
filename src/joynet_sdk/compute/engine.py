"""What an engine is, and which one a manifest asks for."""

from pathlib import Path
from typing import Protocol

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


def open_engine(manifest: Manifest, folder: Path) -> Engine:
    """Load the engine that the manifest names, from verified files.

    Raises:
        InvalidInputError: An unknown profile, or files the engine cannot read.
        MissingDependencyError: The engine's packages are not installed.
    """
    profile = (manifest.engine.name, manifest.engine.profile)
    if profile == ("qmodel", "qmodel/2"):
        from joynet_sdk.compute.integer import IntegerEngine

        return IntegerEngine(manifest, folder)
    if profile == ("transformers", "embed-mean-fp32/1"):
        from joynet_sdk.compute.embedding import EmbeddingEngine

        return EmbeddingEngine(manifest, folder)
    raise InvalidInputError(
        f"engine {profile[0]} with profile {profile[1]!r:.60} is not known to this version",
        hint="joynet version; a newer JoyNet may run it",
    )
