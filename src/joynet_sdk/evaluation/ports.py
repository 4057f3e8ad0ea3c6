"""What evaluations ask of the rest: models that answer. `compute.evaluating` in use."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from joynet_sdk.evaluation.items import Query
from joynet_sdk.evaluation.statistics import Values


class Model(Protocol):
    """An opened model. Numbers it gives: class scores, one value, a vector, or for a language
    model (sum of -log p, tokens scored).
    """

    @property
    def profile(self) -> str:
        """How it is run: an engine profile, or "torch" with its batch size and dtype."""

    @property
    def dtype(self) -> str:
        """Of the computation, e.g. "float32" or "int8"."""

    @property
    def output(self) -> str:
        """ "classes", "vector" or "tokens"."""

    @property
    def labels(self) -> Sequence[str]:
        """Names of its classes; empty when it has none."""

    @property
    def shape(self) -> tuple[int, ...] | None:
        """Of what it reads; None for text."""

    def answer(self, queries: Sequence[Query]) -> Iterable[Values]:
        """The numbers for each query, in order; those that were had before an error come first.

        Raises:
            InvalidInputError: A query that does not fit the model.
        """

    def continue_text(self, prompt: str, tokens: int) -> list[int]:
        """Token ids that a language model adds to a prompt, greedily.

        Raises:
            InvalidInputError: It is not a language model.
        """


class TensorFault(Protocol):
    """A tensor that hardly any working model has."""

    @property
    def name(self) -> str:
        """Of the tensor."""

    @property
    def kind(self) -> str:
        """ "not finite" or "zero"."""

    @property
    def reason(self) -> str:
        """For people."""


class Machine(Protocol):
    """Opens models on this machine."""

    def open(self, folder: Path, *, dtype: str, batch_size: int, integer_step: float) -> Model:
        """Load a model's folder.

        Args:
            dtype: "profile" (the engine's own, one query at a time), or "float32", "bfloat16",
                "float16".
            integer_step: See `items.Dataset`.

        Raises:
            InvalidInputError: Nothing that can be run here.
            MissingDependencyError: The engine's packages are not installed.
        """

    def check_weights(self, folder: Path) -> Sequence[TensorFault]:
        """Tensors that hold NaN or infinity, or nothing but zeros."""

    def describe(self) -> tuple[str, dict[str, str]]:
        """This machine in words, and the versions of what runs models here."""


class PaidModel(Model, Protocol):
    """A published model behind the network."""

    @property
    def model_id(self) -> bytes:
        """Its id, 32 bytes."""

    @property
    def paid(self) -> int:
        """Wei paid so far."""


class Remote(Protocol):
    """Buys answers of published models from nodes; `evaluation.remote.Bought` in use."""

    def price(self, ref: str) -> tuple[bytes, int]:
        """A model's id, and what one call costs now at the node that would be asked, in wei."""

    def open(self, ref: str, *, max_price: int, integer_step: float) -> PaidModel:
        """The model; each answer costs at most `max_price` wei."""
