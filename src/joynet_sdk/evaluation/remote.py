"""Published models behind the network: each question is one paid call."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from joynet_sdk.errors import InvalidInputError, JoyNetError, NotFoundError
from joynet_sdk.evaluation.items import Query
from joynet_sdk.evaluation.statistics import Values
from joynet_sdk.formats import Manifest
from joynet_sdk.inference.routing import Route
from joynet_sdk.inference.service import Inference, Result
from joynet_sdk.types import ModelId

PROFILE = "nodes/1"
BATCH = 16  # questions over one connection
# Asks one after another: REF, inputs as a user gives them, most wei to pay for one. Gives the
# answers up to the first error, and that error.
Ask = Callable[[str, Sequence[bytes], int], tuple[Sequence[Result], JoyNetError | None]]


class Bought:
    """`ports.Remote`: buys through `joynet.inference`."""

    def __init__(
        self,
        inference: Callable[[], Inference],
        ask: Ask,
        manifest: Callable[[ModelId], Manifest],
    ) -> None:
        """
        Args:
            inference: Called when there is something to buy.
            manifest: Of a listed model, fetched if need be.
        """
        self._inference, self._ask, self._manifest = inference, ask, manifest

    def price(self, ref: str) -> tuple[bytes, int]:
        """See `ports.Remote.price`.

        Raises:
            NotFoundError: No node offers the model.
        """
        inference = self._inference()
        model_id = inference.resolve(ref)
        return model_id, _first(inference.routes(model_id), ref).price

    def open(self, ref: str, *, max_price: int, integer_step: float) -> "BoughtModel":
        """See `ports.Remote.open`."""
        model_id = self._inference().resolve(ref)
        return BoughtModel(
            ref, model_id, self._manifest(model_id), self._ask, max_price, integer_step
        )


def _first(routes: Sequence[Route], ref: str) -> Route:
    for route in routes:
        if route.is_eligible:
            return route
    raise NotFoundError("node for", ref, hint="--local runs the files, where they are stored here")


class BoughtModel:
    """`ports.PaidModel`."""

    profile = PROFILE

    def __init__(
        self,
        ref: str,
        model_id: bytes,
        manifest: Manifest,
        ask: Ask,
        max_price: int,
        integer_step: float,
    ) -> None:
        self._ref, self._ask, self._max_price = ref, ask, max_price
        self._input, self._step = manifest.input, integer_step
        self.model_id, self.paid = model_id, 0
        output, profile = manifest.output, manifest.engine.profile
        has_classes = output.kind == "logits" or output.labels or profile.startswith("classify-")
        self.output = "classes" if has_classes else "vector"
        self.dtype = manifest.output.dtype
        self.labels = tuple(manifest.output.labels)
        is_tensor = manifest.input.kind == "tensor"
        self.shape = tuple(manifest.input.shape) if is_tensor else None

    def answer(self, queries: Sequence[Query]) -> Iterator[Values]:
        """One paid call for each query."""
        inputs = [self._encode(query) for query in queries]
        results, error = self._ask(self._ref, inputs, self._max_price)
        for result in results:
            self.paid += result.price
            yield _numbers(result.decoded.value)
        if error is not None:
            raise error

    def continue_text(self, prompt: str, tokens: int) -> list[int]:
        """Refuse: nodes serve no language models."""
        raise InvalidInputError(f"{self._ref} is no language model")

    def _encode(self, query: Query) -> bytes:
        """What `infer run` would be given: text, or JSON numbers."""
        if isinstance(query, str):
            return query.encode()
        if self._input.dtype.startswith("float"):
            return json.dumps(query.ravel().tolist()).encode()
        if not self._step:
            raise InvalidInputError(
                f"{self._ref} reads {self._input.dtype} and does not say what one step means",
                hint="--local, where the files are stored here",
            )
        return json.dumps(np.rint(query.ravel() / self._step).astype(int).tolist()).encode()


def _numbers(value: dict[str, Any]) -> Values:
    numbers = value["probabilities"].values() if "probabilities" in value else value["vector"]
    return np.array(list(numbers), float)
