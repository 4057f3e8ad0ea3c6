"""From a model's numbers to metrics, each with its standard error and 95% interval."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from joynet_sdk.errors import InvalidInputError, VerificationError
from joynet_sdk.evaluation import statistics
from joynet_sdk.evaluation.items import Dataset, Kind
from joynet_sdk.evaluation.statistics import RESAMPLES, Values

Method = Literal["binomial", "bootstrap", "mean"]
PRIMARY: dict[Kind, str] = {
    "classify": "accuracy",
    "regress": "mse",
    "similarity": "spearman",
    "perplexity": "perplexity",
}
LOWER_IS_BETTER = frozenset({"mse", "perplexity"})


class MisfitError(InvalidInputError):
    """A model and a task that do not belong together."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A measured number.

    Attributes:
        stderr: Standard error; infinite where too few items tell.
        low, high: 95% interval.
        items: How many it is over.
        method: `binomial` (Wilson interval), `mean` (normal) or `bootstrap` (percentiles).
    """

    name: str
    value: float
    stderr: float
    low: float
    high: float
    items: int
    method: Method


@dataclass(frozen=True, eq=False)
class Outcomes:
    """What was asked and answered, item by item: what paired tests need.

    Attributes:
        expected: (n,) class, value or similarity; for perplexity the tokens that were scored.
        predicted: (n,) class, value or cosine; for perplexity the sum of -log p, natural log.
    """

    kind: Kind
    expected: Values
    predicted: Values


def outcomes_of(dataset: Dataset, answers: Sequence[Sequence[Values]]) -> Outcomes:
    """Reduce each item's answers to one number.

    Args:
        answers: For each item and each of its queries the model's numbers: scores of the classes,
            a value, a vector, or (sum of -log p, tokens).

    Raises:
        MisfitError: A model with another number of classes.
        InvalidInputError: Texts too short to score.
        VerificationError: NaN or infinity among the numbers.
    """
    for index, item in enumerate(answers):
        if not all(np.isfinite(numbers).all() for numbers in item):
            raise VerificationError(
                f"item {index + 1} of {dataset.task}: the model answered NaN or infinity",
                hint="the model is broken; fuse test and the smoke gate say where",
            )
    labels = np.array([item.label for item in dataset.items])
    if dataset.kind == "perplexity":
        return _token_outcomes(dataset, answers)
    if dataset.kind == "similarity":
        cosines = [_cosine(first, second) for first, second in answers]
        return Outcomes(dataset.kind, labels, np.array(cosines))
    wanted = len(dataset.labels) if dataset.kind == "classify" else 1
    for (numbers,) in answers:
        if len(numbers) != wanted:
            raise MisfitError(
                f"the model gives {len(numbers)} numbers, {dataset.task} expects {wanted}"
            )
    pick = np.argmax if dataset.kind == "classify" else np.sum
    return Outcomes(dataset.kind, labels, np.array([float(pick(n)) for (n,) in answers]))


def _token_outcomes(dataset: Dataset, answers: Sequence[Sequence[Values]]) -> Outcomes:
    sums = np.array([float(numbers[0]) for (numbers,) in answers])
    tokens = np.array([float(numbers[1]) for (numbers,) in answers])
    if not tokens.sum():
        raise InvalidInputError(f"{dataset.task}: no text has two tokens or more")
    return Outcomes(dataset.kind, tokens, sums)


def _cosine(first: Values, second: Values) -> float:
    scale = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(first @ second) / scale if scale else 0.0


# --- metrics --------------------------------------------------------------------------------------


def measure(outcomes: Outcomes, labels: Sequence[str], seed: int) -> list[Metric]:
    """Every metric of a kind, the primary one first."""
    if outcomes.kind == "classify":
        return [_accuracy("accuracy", outcomes), _macro_f1(outcomes, len(labels), seed)]
    if outcomes.kind == "regress":
        return [_mean("mse", (outcomes.predicted - outcomes.expected) ** 2)]
    if outcomes.kind == "similarity":
        return [_spearman(outcomes, seed), _mean("cosine", outcomes.predicted)]
    return [_perplexity(outcomes, seed)]


def per_class(outcomes: Outcomes, labels: Sequence[str]) -> list[Metric]:
    """Accuracy on the items of each class that occurs; empty for other kinds."""
    if outcomes.kind != "classify":
        return []
    found = []
    for index, label in enumerate(labels):
        of_class = outcomes.expected == index
        if of_class.any():
            part = Outcomes("classify", outcomes.expected[of_class], outcomes.predicted[of_class])
            found.append(_accuracy(label, part))
    return found


def value_of(outcomes: Outcomes, at: NDArray[np.int64] | None = None) -> float:
    """The primary metric over all items, or over those at some indices."""
    expected, predicted = outcomes.expected, outcomes.predicted
    if at is not None:
        expected, predicted = expected[at], predicted[at]
    if outcomes.kind == "classify":
        return float((expected == predicted).mean())
    if outcomes.kind == "regress":
        return float(((expected - predicted) ** 2).mean())
    if outcomes.kind == "similarity":
        return statistics.spearman(expected, predicted)
    return perplexity(float(predicted.sum()), float(expected.sum()))


def perplexity(nll: float, tokens: float) -> float:
    """exp of the mean -log p of a token; NaN for no token, infinity where it passes floats."""
    if not tokens:
        return math.nan
    return math.exp(nll / tokens) if nll / tokens < 700 else math.inf


def _accuracy(name: str, outcomes: Outcomes) -> Metric:
    n = len(outcomes.expected)
    share = float((outcomes.expected == outcomes.predicted).mean())
    low, high = statistics.wilson(share, n)
    return Metric(name, share, statistics.binomial_error(share, n), low, high, n, "binomial")


def _mean(name: str, values: Values) -> Metric:
    value, error = float(values.mean()), statistics.mean_error(values)
    half = statistics.Z95 * error
    return Metric(name, value, error, value - half, value + half, len(values), "mean")


def _macro_f1(outcomes: Outcomes, classes: int, seed: int) -> Metric:
    """Mean F1 of the classes that occur, expected or predicted.

    Items drawn with replacement make the cells of the confusion matrix multinomial, so whole
    matrices are drawn instead of items.
    """
    flat = (outcomes.expected * classes + outcomes.predicted).astype(np.int64)
    cells, n = np.bincount(flat, minlength=classes * classes), len(flat)
    drawn = np.random.default_rng(seed).multinomial(n, cells / n, size=RESAMPLES)
    scores = [_f1(matrix.reshape(classes, classes)) for matrix in drawn]
    error, low, high = statistics.spread(np.sort(np.array(scores)))
    value = _f1(cells.reshape(classes, classes))
    return Metric("macro_f1", value, error, low, high, n, "bootstrap")


def _f1(matrix: NDArray[np.int64]) -> float:
    """(expected, predicted) counts to macro F1."""
    right, both = np.diag(matrix), matrix.sum(axis=0) + matrix.sum(axis=1)
    occurs = both > 0
    return float((2 * right[occurs] / both[occurs]).mean())


def _spearman(outcomes: Outcomes, seed: int) -> Metric:
    value, n = value_of(outcomes), len(outcomes.expected)
    if math.isnan(value):
        raise InvalidInputError(
            "every similarity is the same, expected at least two different ones",
            hint="the labels do not vary, or the model's vectors have collapsed",
        )
    resampled = statistics.bootstrap(lambda at: value_of(outcomes, at), n, seed)
    return Metric("spearman", value, *statistics.spread(resampled), n, "bootstrap")


def _perplexity(outcomes: Outcomes, seed: int) -> Metric:
    value, n = value_of(outcomes), len(outcomes.expected)
    if math.isinf(value):
        raise VerificationError("perplexity is beyond e^700: the model gives the text no chance")
    resampled = statistics.bootstrap(lambda at: value_of(outcomes, at), n, seed)
    return Metric("perplexity", value, *statistics.spread(resampled), n, "bootstrap")
