"""What the adapters and rules of compositions do to values: docs/spec/composition.md.

Everything on int8 is exact, in integers and fractions; everything on floats is computed in float64
and given as float32.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joynet_sdk.compositions.document import (
    Adapter,
    Dequantise,
    Normalise,
    Port,
    Probabilities,
    Quantise,
    Relabel,
    Rescale,
    Reshape,
)
from joynet_sdk.compositions.typing import adapted
from joynet_sdk.compute.engine import EngineError

Values = NDArray[Any]
LOW, HIGH = -128, 127
_LEAST = 1e-12  # a probability of 0 in a mean of logits
_DTYPES = {"float32": "<f4", "uint16": "<u2", "int8": "i1", "uint8": "u1"}


def read_values(port: Port, data: bytes) -> Values:
    """Bytes of a tensor, logits or vector as an array of the port's shape."""
    return np.frombuffer(data, _DTYPES[port.dtype]).reshape(port.shape)


def apply(adapters: Sequence[Adapter], port: Port, values: Values) -> Values:
    """Take values of type `port` through all adapters.

    Raises:
        EngineError: A vector of length 0 to normalise, or values that are not finite.
    """
    for adapter in adapters:
        values = _apply(adapter, port, values)
        port = adapted(port, adapter)
    return values


def _apply(adapter: Adapter, port: Port, values: Values) -> Values:
    match adapter:
        case Quantise():
            _check_finite(values)
            steps = np.rint(values.astype(np.float64) / float(adapter.scale))
            return np.asarray(np.clip(steps, LOW, HIGH), np.int8)
        case Dequantise():
            return (values.astype(np.float64) * float(adapter.scale)).astype("<f4")
        case Rescale():
            return np.asarray(_rescaling(adapter.scale, adapter.to)[values.astype(np.int64) - LOW])
        case Probabilities():
            return probabilities(port, values)
        case Relabel():
            return _relabel(adapter, port, values)
        case Normalise():
            _check_finite(values)
            length = float(np.linalg.norm(values.astype(np.float64)))
            if length == 0:
                raise EngineError("a vector of length 0 has no direction")
            return (values.astype(np.float64) / length).astype("<f4")
        case Reshape():
            return values.reshape(adapter.shape)


def _check_finite(values: Values) -> None:
    if not np.isfinite(values).all():
        raise EngineError("a component gives NaN or infinite numbers")


def round_half_even(value: Fraction) -> int:
    """The nearest int8; halves go to the even one."""
    return max(LOW, min(HIGH, round(value)))


@lru_cache(maxsize=32)
def _rescaling(scale: str, to: str) -> Values:
    """Every int8 in steps of `scale` -> in steps of `to`, exactly."""
    ratio = Fraction(scale) / Fraction(to)
    return np.array([round_half_even(q * ratio) for q in range(LOW, HIGH + 1)], np.int8)


def _relabel(adapter: Relabel, port: Port, values: Values) -> Values:
    places = {label: place for place, label in enumerate(adapter.labels)}
    if port.kind == "logits":
        moved: Values = np.full(len(places), LOW, np.int8)
        for name, value in zip(port.names, values, strict=True):
            moved[places[adapter.mapping[name]]] = value
        return moved
    summed = np.zeros(len(places))
    for name, value in zip(port.names, values, strict=True):
        summed[places[adapter.mapping[name]]] += float(value)
    return summed.astype("<f4")


def probabilities(port: Port, values: Values) -> Values:
    """A classifier's answer as float32 probabilities."""
    if port.kind == "vector":
        return values
    scores = values.astype(np.float64) * float(port.scale or 1)
    weights = np.exp(scores - scores.max())
    return np.asarray(weights / weights.sum(), "<f4")


# --- ensembles ----------------------------------------------------------------------------------


def mean_probabilities(answers: Mapping[str, Values], weights: Mapping[str, int]) -> Values:
    """Weighted arithmetic mean of probabilities."""
    total = sum(weights[name] * p.astype(np.float64) for name, p in answers.items())
    return np.asarray(total / sum(weights.values()), "<f4")


def mean_logits(answers: Mapping[str, Values], weights: Mapping[str, int]) -> Values:
    """Weighted geometric mean of probabilities, normalised: the mean of logits."""
    logs = sum(
        weights[name] * np.log(np.maximum(p.astype(np.float64), _LEAST))
        for name, p in answers.items()
    )
    scores = np.asarray(logs / sum(weights.values()))
    shares = np.exp(scores - scores.max())
    return np.asarray(shares / shares.sum(), "<f4")


def mean_int8(
    answers: Mapping[str, Values],
    weights: Mapping[str, int],
    scales: Mapping[str, str],
    scale: str,
) -> Values:
    """Weighted mean of int8 logits, each in steps of its own, in steps of `scale`; exact."""
    total = sum(weights.values()) * Fraction(scale)
    ratios = {name: weights[name] * Fraction(scales[name]) / total for name in answers}
    columns = zip(*(values.tolist() for values in answers.values()), strict=True)
    means = [
        round_half_even(
            sum((r * q for r, q in zip(ratios.values(), column, strict=True)), Fraction())
        )
        for column in columns
    ]
    return np.array(means, np.int8)


def votes(answers: Mapping[str, Values], weights: Mapping[str, int]) -> NDArray[np.int64]:
    """Weight of the components whose best label (the first one of equals) is each label."""
    counts = np.zeros(len(next(iter(answers.values()))), np.int64)
    for name, values in answers.items():
        counts[int(values.argmax())] += weights[name]
    return counts


# --- cascades -----------------------------------------------------------------------------------


def is_confident(confidence: str, threshold: str, port: Port, values: Values) -> bool:
    """Whether a component is sure enough to answer.

    Args:
        confidence: "probability" of the best label, or "margin" between the best two.
    """
    if confidence == "probability":
        return float(probabilities(port, values).max()) >= float(threshold)
    best = sorted(values.tolist(), reverse=True)[:2]
    [margin] = [a - b for a, b in pairwise(best)] or [best[0]]
    if port.kind == "logits":
        return int(margin) * Fraction(port.scale or 1) >= Fraction(threshold)
    return bool(margin >= float(threshold))
