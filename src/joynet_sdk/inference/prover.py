"""What clients and nodes ask of a prover; the `proofs` adapter in use, fakes in tests."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from joynet_sdk.types import CircuitInfo, Point, ProofAnswer, ProofRequest


class Committer(Protocol):
    """Commits to inputs and outputs above 256 bytes."""

    def commit(self, shape: Sequence[int], data: bytes) -> Point:
        """The commitment to an int8 tensor.

        Args:
            shape: Its sides, outermost first, as the manifest has them.
            data: Its values, one byte each, without padding.

        Raises:
            InvalidInputError: Another length than the shape's.
            ConfigError: There is no SRS, or it is too short.
        """
        ...


class Prover(Committer, Protocol):
    """Proves inferences of models whose files are at hand. Each call may take seconds to minutes
    and is made in a thread of its own, one at a time."""

    def circuit(self, model: Path) -> CircuitInfo:
        """Compile a model's circuit.

        Args:
            model: Folder with the model's `model.safetensors`.

        Raises:
            InvalidInputError: The model cannot be proved; says which part.
            ConfigError: There is no SRS, no device, or it is too small.
        """
        ...

    def prove(self, model: Path, request: ProofRequest) -> ProofAnswer:
        """Run the model and prove its output.

        Raises:
            InvalidInputError: The input cannot be proved: another size, or token ids outside
                the vocabulary.
        """
        ...
