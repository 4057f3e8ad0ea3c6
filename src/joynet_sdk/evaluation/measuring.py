"""One model over one data set: open it, ask it, reduce its answers."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.evaluation import metrics, running
from joynet_sdk.evaluation.cache import AnswerCache
from joynet_sdk.evaluation.files import File, digest_of, files_of
from joynet_sdk.evaluation.items import Dataset
from joynet_sdk.evaluation.metrics import MisfitError, Outcomes
from joynet_sdk.evaluation.ports import Machine, Model
from joynet_sdk.evaluation.remote import BATCH as REMOTE_BATCH
from joynet_sdk.progress import stage

Dtype = Literal["profile", "float32", "bfloat16", "float16"]
MAX_BATCH = 4096


@dataclass(frozen=True, slots=True)
class Options:
    """How to measure; equal options make reports comparable.

    Attributes:
        seed: Of the choice of items and of the bootstrap.
        batch_size: Questions in one forward pass; canonical profiles take one at a time.
        dtype: "profile" runs what nodes run; another runs transformers in torch directly.
    """

    seed: int = 0
    batch_size: int = 1
    dtype: Dtype = "profile"

    def __post_init__(self) -> None:
        if not 1 <= self.batch_size <= MAX_BATCH:
            raise InvalidInputError(f"batch size is {self.batch_size}, expected 1 to {MAX_BATCH}")


@dataclass(frozen=True, eq=False)
class Target:
    """A model that is open, and what names it.

    Attributes:
        identity: 32 bytes: digest of its files, or its model id where it is asked through nodes.
        files: Empty where it is asked through nodes.
        paid: Wei paid so far.
    """

    ref: str
    model: Model
    identity: bytes
    model_id: bytes | None = None
    files: Sequence[File] = ()
    paid: Callable[[], int] = lambda: 0

    @property
    def is_remote(self) -> bool:
        """Whether nodes answer."""
        return not self.files


@dataclass(frozen=True, eq=False)
class Measured:
    """What came of it.

    Attributes:
        seconds: Wall-clock time.
    """

    outcomes: Outcomes
    answers: running.Answers
    seconds: float


def open_folder(
    machine: Machine,
    folder: Path,
    options: Options,
    integer_step: float,
    *,
    ref: str | None = None,
    model_id: bytes | None = None,
) -> Target:
    """Open a model's folder.

    Args:
        ref: What to call it; the folder's name by default.
    """
    name = ref or folder.resolve().name
    stage(f"reading {name}")
    files = files_of(folder)
    model = machine.open(
        folder, dtype=options.dtype, batch_size=options.batch_size, integer_step=integer_step
    )
    return Target(name, model, digest_of(files), model_id, files)


def measure(
    target: Target,
    dataset: Dataset,
    cache: AnswerCache,
    batch_size: int = 1,
    advance: Callable[[int], None] = lambda done: None,
) -> Measured:
    """Ask everything and reduce the answers to one number an item."""
    check_fit(target.model, dataset)
    started = time.monotonic()
    store_every = running.STORE_EVERY
    if target.is_remote:
        batch_size, store_every = REMOTE_BATCH, 1  # what is paid for is stored at once
    answers = running.ask_all(
        dataset, target.model, target.identity, cache, batch_size, advance, store_every
    )
    by_item, order = answers.by_item, class_order(target.model.labels, dataset)
    if order is not None:
        by_item = [[numbers[order] for numbers in item] for item in by_item]
    outcomes = metrics.outcomes_of(dataset, by_item)
    return Measured(outcomes, answers, time.monotonic() - started)


def check_fit(model: Model, dataset: Dataset) -> None:
    """Refuse a model that cannot be asked this task's questions.

    Raises:
        MisfitError: Naming what the model is and what the task asks for.
    """
    expected = {"similarity": "vector", "perplexity": "tokens"}.get(dataset.kind, "classes")
    words = {"vector": "embedders", "tokens": "language models", "classes": "classifiers"}
    if model.output != expected:
        raise MisfitError(
            f"{dataset.task} is for {words[expected]}, the model is one of {words[model.output]}",
            hint="joynet eval tasks",
        )
    if not reads_same(model, dataset):
        query = dataset.items[0].queries[0]
        asks = "text" if isinstance(query, str) else f"{query.size} numbers"
        reads = "text" if model.shape is None else f"numbers of shape {list(model.shape)}"
        raise MisfitError(f"{dataset.task} asks with {asks}, the model reads {reads}")


def reads_same(model: Model, dataset: Dataset) -> bool:
    """Whether a model reads what the first question is: text, or as many numbers."""
    query = dataset.items[0].queries[0]
    if isinstance(query, str) or model.shape is None:
        return isinstance(query, str) and model.shape is None
    return int(np.prod(model.shape)) == query.size


def class_order(labels: Sequence[str], dataset: Dataset) -> NDArray[np.int64] | None:
    """Which of the model's scores belongs to each class of the task; None keeps their order.

    Names decide where both have the same ones, else the numbers of the classes.
    """
    if dataset.kind != "classify" or sorted(labels) != sorted(dataset.labels):
        return None
    return np.array([list(labels).index(label) for label in dataset.labels])
