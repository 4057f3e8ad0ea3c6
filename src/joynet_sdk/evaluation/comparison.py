"""Which of several models is better, and whether the difference is more than chance."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.evaluation import statistics
from joynet_sdk.evaluation.metrics import LOWER_IS_BETTER, Outcomes, value_of
from joynet_sdk.evaluation.report import EvalReport, outcomes_in
from joynet_sdk.evaluation.statistics import SIGNIFICANCE, Z95

Verdict = Literal["better", "worse", "within the error"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One model against the first one.

    Attributes:
        difference: Its metric minus the first model's.
        stderr: Standard error of the difference, over the same items.
        low, high: 95% interval of the difference.
        p: Two-sided p-value of "no difference".
        test: "McNemar, exact" or "paired bootstrap".
        verdict: Of this model; "within the error" when p >= 0.05.
    """

    model: str
    against: str
    metric: str
    value: float
    reference: float
    difference: float
    stderr: float
    low: float
    high: float
    p: float
    test: str
    verdict: Verdict


def compare(reports: Sequence[EvalReport]) -> list[Comparison]:
    """Each report against the first one.

    Raises:
        InvalidInputError: Fewer than two, or measured on other data or with other settings; names
            everything that differs.
    """
    if len(reports) < 2:
        raise InvalidInputError(f"{len(reports)} report, expected two or more to compare")
    first = reports[0]
    for other in reports[1:]:
        check_comparable(first, other)
    return [_compare(first, other) for other in reports[1:]]


def check_comparable(first: EvalReport, other: EvalReport) -> None:
    """Refuse two reports that do not answer the same question.

    Raises:
        InvalidInputError: Naming everything that differs.
    """
    pairs = {
        **{f"task.{name}": _values(first, other, "task", name) for name in _TASK},
        **{f"settings.{name}": _values(first, other, "settings", name) for name in _SETTINGS},
    }
    differing = [f"{name} {a!s:.40} and {b!s:.40}" for name, (a, b) in pairs.items() if a != b]
    if differing:
        raise InvalidInputError(
            f"{first.model.ref} and {other.model.ref} cannot be compared: {'; '.join(differing)}",
            hint="run both on the same data with the same settings",
        )


_TASK = ("name", "kind", "split", "source", "seed", "limit", "items", "labels", "data")
_SETTINGS = ("seed", "batch_size", "dtype")


def _values(first: EvalReport, other: EvalReport, part: str, name: str) -> tuple[object, object]:
    return getattr(getattr(first, part), name), getattr(getattr(other, part), name)


def _compare(first: EvalReport, other: EvalReport) -> Comparison:
    a, b = outcomes_in(first), outcomes_in(other)
    reference, value = value_of(a), value_of(b)
    difference = value - reference
    if a.kind == "classify":
        error, p = _mcnemar(a, b)
        low, high = difference - Z95 * error, difference + Z95 * error
        test = "McNemar, exact"
    else:
        resampled = _paired(a, b, first.settings.seed)
        error, low, high = statistics.spread(resampled)
        p, test = statistics.bootstrap_p(resampled), "paired bootstrap"
    name = first.metric.name
    verdict: Verdict = "within the error"
    if p < SIGNIFICANCE and difference:
        verdict = "better" if (difference > 0) != (name in LOWER_IS_BETTER) else "worse"
    return Comparison(
        other.model.ref, first.model.ref, name, value, reference, difference,
        error, low, high, p, test, verdict,
    )  # fmt: skip


def _mcnemar(a: Outcomes, b: Outcomes) -> tuple[float, float]:
    is_a, is_b = a.expected == a.predicted, b.expected == b.predicted
    only_a, only_b = int((is_a & ~is_b).sum()), int((is_b & ~is_a).sum())
    error = statistics.paired_error(only_a, only_b, len(is_a))
    return error, statistics.mcnemar(only_a, only_b)


def _paired(a: Outcomes, b: Outcomes, seed: int) -> statistics.Values:
    """Differences over resamples of the items, the same items for both."""

    def difference(at: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> float:
        found = value_of(b, at) - value_of(a, at)
        return found if math.isfinite(found) else math.nan

    return statistics.bootstrap(difference, len(a.expected), seed, resamples=2000)
