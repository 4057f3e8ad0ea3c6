"""The checks of the smoke gate, over answers that are there already."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from joynet_sdk.evaluation import statistics
from joynet_sdk.evaluation.metrics import LOWER_IS_BETTER, Metric
from joynet_sdk.evaluation.ports import TensorFault
from joynet_sdk.evaluation.smoke import LIMITS, Check
from joynet_sdk.evaluation.statistics import Values

MAX_NAMED = 5
GRAM = 3  # tokens that are looked at together for repetition
MIN_SPREAD = 1e-6  # of the scores of one class over all answers
PASSED = "nothing to object to"


@dataclass(frozen=True, eq=False)
class Behaviour:
    """What one model did.

    Attributes:
        answers: (questions, numbers): class scores, vectors, or (sum of -log p, tokens).
        output: "classes", "vector" or "tokens"; see `ports.Model`.
        written: Token ids it added to each prompt; language models only.
        metric: Its primary metric on the task, if there is one.
    """

    answers: Values
    output: str
    written: Sequence[Sequence[int]] = field(default_factory=list)
    metric: Metric | None = None


def check_weights(faults: Sequence[TensorFault], inherited: Sequence[TensorFault]) -> Check:
    """No NaN, no infinity, and no matrix of zeros that no parent has."""
    known = {fault.name for fault in inherited if fault.kind == "zero"}
    bad = [fault for fault in faults if fault.kind != "zero" or fault.name not in known]
    named = "; ".join(f"{fault.name}: {fault.reason}" for fault in bad[:MAX_NAMED])
    more = f"; and {len(bad) - MAX_NAMED} more tensors" if len(bad) > MAX_NAMED else ""
    return Check(name="weights", is_passed=not bad, reason=(named + more)[:2000] or PASSED)


def check_numbers(child: Behaviour) -> Check:
    """Every answer is finite."""
    broken = int((~np.isfinite(child.answers)).any(axis=1).sum())
    reason = f"{broken} of {len(child.answers)} answers hold NaN or infinity" if broken else PASSED
    return Check(name="numbers", is_passed=not broken, reason=reason)


def check_variety(child: Behaviour, parents: Sequence[Behaviour]) -> Check:
    """Not always the same class, not always the same vector.

    A classifier without parents of its kind may see all probes in one class: it must only vary.
    """
    alike = [other for other in parents if other.output == child.output]
    if child.output == "classes" and not alike:
        spread = float(np.ptp(child.answers, axis=0).max())
        reason = f"answers vary by {spread:.3g}, expected more than {MIN_SPREAD:g}"
        return Check(name="variety", is_passed=spread > MIN_SPREAD, reason=reason)
    if child.output == "classes":
        share, limit, margin, what = _same_class, LIMITS.same_class, 0.1, "of answers in one class"
    else:
        share, limit, margin, what = _mean_cosine, LIMITS.same_vector, 0.05, "mean cosine"
    mine, others = share(child.answers), [share(other.answers) for other in alike]
    is_inherited = any(mine - other < margin for other in others)
    reason = f"{mine:.3f} {what}, expected at most {limit:g}"
    if others:
        reason += f"; parents {', '.join(f'{other:.3f}' for other in others)}"
    return Check(name="variety", is_passed=mine <= limit or is_inherited, reason=reason)


def _same_class(answers: Values) -> float:
    if answers.shape[1] < 2:  # a single number: the same when it never varies
        return float(np.ptp(answers) == 0)
    return max(Counter(answers.argmax(axis=1).tolist()).values()) / len(answers)


def _mean_cosine(answers: Values) -> float:
    lengths = np.linalg.norm(answers, axis=1, keepdims=True)
    units = answers / np.where(lengths == 0, 1, lengths)
    n = len(units)
    return float((np.square(units.sum(axis=0)).sum() - n) / (n * (n - 1)))


def check_likeness(child: Behaviour, parents: Sequence[Behaviour]) -> Check | None:
    """What a parent finds alike, the child finds alike: garbage has lost that.

    None where no parent gives the same kind of answer, such as the embedder of a pipeline.
    """
    alike = [parent for parent in parents if parent.output == child.output]
    if not alike:
        return None
    found = [_likeness(_comparable(child), _comparable(parent)) for parent in alike]
    text = ", ".join(f"{value:.3f}" for value in found)
    return Check(
        name="likeness",
        is_passed=max(found) >= LIMITS.likeness,
        reason=f"rank correlation of distances with the parents' {text}, "
        f"expected one of at least {LIMITS.likeness:g}",
    )


def _comparable(model: Behaviour) -> Values:
    """Answers, those of classifiers as probabilities: some give these, some give logits."""
    answers = model.answers
    is_given = (answers >= 0).all() and np.allclose(answers.sum(axis=1), 1, atol=1e-3)
    if model.output != "classes" or answers.shape[1] < 2 or is_given:
        return answers
    weights = np.exp(answers - answers.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), float)


def _likeness(a: Values, b: Values) -> float:
    value = statistics.spearman(_distances(a), _distances(b))
    return 0.0 if math.isnan(value) else value


def _distances(answers: Values) -> Values:
    """Euclidean, of every pair once."""
    first, second = np.triu_indices(len(answers), k=1)
    return np.asarray(np.linalg.norm(answers[first] - answers[second], axis=1), float)


def check_repetition(child: Behaviour, parents: Sequence[Behaviour]) -> Check:
    """It does not write the same few words again and again, unless its parents do."""
    mine = repetition(child.written)
    others = [repetition(parent.written) for parent in parents if parent.written]
    is_inherited = any(mine - other < 0.2 for other in others)
    reason = f"{mine:.3f} of {GRAM}-grams are repeats, expected at most {LIMITS.repetition:g}"
    if others:
        reason += f"; parents {', '.join(f'{other:.3f}' for other in others)}"
    is_passed = mine <= LIMITS.repetition or is_inherited
    return Check(name="repetition", is_passed=is_passed, reason=reason)


def repetition(written: Sequence[Sequence[int]]) -> float:
    """Share of 3-grams that occurred before in the same text, over all texts."""
    total = different = 0
    for tokens in written:
        grams = [tuple(tokens[i : i + GRAM]) for i in range(len(tokens) - GRAM + 1)]
        total, different = total + len(grams), different + len(set(grams))
    return (total - different) / total if total else 0.0


def check_metric(child: Behaviour, parents: Sequence[Behaviour], chance: float | None) -> Check:
    """On the task it loses no more than the limit against its parents, and beats chance.

    Args:
        chance: Accuracy of always saying the most frequent class; None for other metrics.
    """
    assert child.metric is not None, "the task was run"
    mine = child.metric
    others = [parent.metric.value for parent in parents if parent.metric is not None]
    slack = 2 * (mine.stderr if math.isfinite(mine.stderr) else 0.0)
    is_passed, words = True, []
    if others and mine.name in LOWER_IS_BETTER:
        bound = LIMITS.perplexity_ratio * _geometric_mean(others)
        is_passed, words = mine.value <= bound + slack, [f"at most {bound:.4g}"]
    elif others:
        bound = sum(others) / len(others) - LIMITS.accuracy_loss
        is_passed, words = mine.value >= bound - slack, [f"at least {bound:.4g}"]
    if chance is not None and (not others or max(others) > chance + slack):
        is_passed = is_passed and mine.value > chance + slack
        words.append(f"more than chance {chance:.4g}")
    wish = " and ".join(words) or "nothing: no parent says what to expect"
    reason = f"{mine.name} {mine.value:.4g} +- {mine.stderr:.2g}, expected {wish}"
    if others:
        reason += f"; parents {', '.join(f'{other:.4g}' for other in others)}"
    return Check(name=mine.name, is_passed=is_passed, reason=reason)


def _geometric_mean(values: Sequence[float]) -> float:
    return math.exp(sum(math.log(max(value, 1e-300)) for value in values) / len(values))
