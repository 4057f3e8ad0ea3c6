"""The learned score: what part of its parents' accuracy a merge is expected to keep.

Boosted regression trees (Friedman 2001, Greedy function approximation) over features that are
known before a merge. Trained by `scripts/train_compatibility.py` on small networks that it trains
and merges itself; docs/guides/compatibility.md shows how far it is off. It says nothing about
models outside the range it was trained on.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from joynet_sdk.fusion.compatibility.report import Estimate, Similarity

METHODS = ("linear", "slerp", "task_arithmetic", "ties")
FEATURES = (
    "weight cosine",
    "least weight cosine",
    "distance",
    "norm ratio",
    "task cosine",
    "least task cosine",
    "sign agreement",
    "task norm",
    "models",
    "parameters (log10)",
    "layers",
    *METHODS,
)
_WITHOUT_BASE = -2.0  # stands for the task features when there is no base
_SLACK = 0.02  # of a feature's range, on both sides


def features(near: Similarity, models: int, layers: int, method: str) -> list[float]:
    """What the trees look at, in the order of FEATURES.

    Args:
        models: Beside the base.
        layers: Matrices that one input goes through.
    """
    task = (near.task_cosine, near.least_task_cosine, near.sign_agreement, near.task_norm)
    return [
        near.weight_cosine,
        near.least_cosine,
        near.distance,
        near.norm_ratio,
        *(_WITHOUT_BASE if value is None else value for value in task),
        float(models),
        math.log10(max(1, near.parameters)),
        float(layers),
        *(float(method == each) for each in METHODS),
    ]


@dataclass(frozen=True)
class Score:
    """The committed trees.

    Attributes:
        document: score.json.
    """

    document: Mapping[str, Any]

    @classmethod
    @cache
    def load(cls) -> "Score":
        """The score that comes with the package."""
        text = files(__package__).joinpath("score.json").read_text()
        return cls(json.loads(text))

    @property
    def figures(self) -> Mapping[str, Any]:
        """Errors on merges that the trees had not seen."""
        found: Mapping[str, Any] = self.document["figures"]
        return found

    def value(self, row: Sequence[float]) -> float:
        """The trees' sum."""
        return self.explain(row)[0]

    def explain(self, row: Sequence[float]) -> tuple[float, dict[str, float]]:
        """The value, and what each feature adds to that of no knowledge.

        Each step down a tree changes the mean of what is left; the change is the feature's.
        Source: Saabas 2014, Interpreting random forests.
        """
        parts = dict.fromkeys(FEATURES, 0.0)
        total = float(self.document["start"])
        for tree in self.document["trees"]:
            node = 0
            while (feature := tree["feature"][node]) >= 0:
                is_left = row[feature] <= tree["threshold"][node]
                below = tree["left" if is_left else "right"][node]
                parts[FEATURES[feature]] += tree["value"][below] - tree["value"][node]
                node = below
            total += tree["value"][node]
        return total, parts

    def outside(self, row: Sequence[float]) -> list[str]:
        """Features that lie where the score was never trained."""
        found = []
        for name, value, spans in zip(FEATURES, row, self.document["range"], strict=True):
            slack = _SLACK * (spans[-1][1] - spans[0][0])
            if not any(low - slack <= value <= high + slack for low, high in spans):
                known = " or ".join(f"{low:.3g} to {high:.3g}" for low, high in spans)
                found.append(f"{name} is {value:.3g}, trained on {known}")
        return found

    def estimate(self, near: Similarity, models: int, layers: int, method: str) -> Estimate:
        """What a merge would keep, or why that cannot be said."""
        if method not in METHODS:
            return _none(method, [f"the score knows {', '.join(METHODS)}"])
        row = features(near, models, layers, method)
        if outside := self.outside(row):
            return _none(method, outside)
        value, parts = self.explain(row)
        low, high = self._spread(value)
        ranked = sorted(parts.items(), key=lambda item: -abs(item[1]))
        shown = [f"{name} {part:+.2f}" for name, part in ranked if abs(part) >= 0.01]
        start = f"{float(self.document['start']):.2f} before anything is known"
        return Estimate(method, max(0.0, value), max(0.0, low), high, (start, *shown))

    def _spread(self, value: float) -> tuple[float, float]:
        """The interval that held four of five unseen merges with such a value."""
        bins = self.document["bins"]
        nearest = min(bins, key=lambda each: abs(value - each["predicted"]))
        inside = [each for each in bins if each["from"] <= value < each["to"]]
        chosen = inside[0] if inside else nearest
        return value + chosen["low"], value + chosen["high"]


def _none(method: str, reasons: Sequence[str]) -> Estimate:
    return Estimate(method, None, None, None, tuple(reasons))
