"""What a check finds out: values that the command prints and other services read."""

from dataclasses import dataclass, field
from typing import Literal

Severity = Literal["error", "warning", "note"]
ERROR: Severity = "error"
WARNING: Severity = "warning"
NOTE: Severity = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that stands in the way, or that is good to know.

    Attributes:
        code: Stable word, e.g. "hidden_size".
        severity: An "error" refuses the fusion.
        message: What is the matter, with the values of the models.
        fix: What to do about it; "" for a note that asks nothing.
    """

    code: str
    severity: Severity
    message: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class LicenceVerdict:
    """What the merge may be published under.

    Attributes:
        license: SPDX or Hugging Face id, or None when it is not allowed or not known.
        may_be_sold: Whether every parent lets calls be sold.
        keep: What must be kept or said, one line each.
    """

    license: str | None
    may_be_sold: bool
    keep: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Resources:
    """What a build would take.

    Attributes:
        output_bytes: Size of the merged weights.
        read_bytes: Weights of all parents.
        peak_bytes: Memory beside the program itself.
        seconds: Estimated from this machine's speed, or None when that was not measured.
    """

    output_bytes: int
    read_bytes: int
    peak_bytes: int
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Similarity:
    """How near the weights of the models are, from samples of the tensors that all of them have.

    Attributes:
        weight_cosine: Between the weights, least of all pairs; near 0 for unrelated networks.
        least_cosine: The same of the tensor where it is least, which is `farthest`.
        distance: |A - B| over the mean of |A| and |B|, largest of all pairs.
        norm_ratio: Smaller norm over larger one, least of all pairs.
        task_cosine: Between the task vectors (model less base), mean of all pairs; None without
            a base.
        least_task_cosine: The least of any tensor and pair; likewise.
        sign_agreement: Part of the parameters, of those that all task vectors change, which they
            change in the same direction; None without a base.
        task_norm: Norm of the task vectors over the base's, the largest of all; likewise.
        parameters: Elements of one model's tensors that could be compared.
        sampled: Elements of them that were looked at.
    """

    weight_cosine: float
    least_cosine: float
    farthest: str
    distance: float
    norm_ratio: float
    task_cosine: float | None
    least_task_cosine: float | None
    sign_agreement: float | None
    task_norm: float | None
    parameters: int
    sampled: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the learned score expects of a merge.

    Attributes:
        method: Which merge.
        kept: Expected accuracy of the merge on each parent's own task over that parent's, mean of
            the parents; None when the models lie outside what the score was trained on.
        low: Lower end of the interval that held four of five merges the score had not seen.
        high: Upper end.
        reasons: Each feature's part in the number, largest first; or why there is no number.
    """

    method: str
    kept: float | None
    low: float | None
    high: float | None
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do with these models.

    Attributes:
        method: A merge method, or None when their weights should not be merged.
        composition: A kind of runtime composition that fits them, or None.
        reasons: Why, one line each.
    """

    method: str | None
    composition: str | None
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Subject:
    """One model as the check saw it.

    Attributes:
        name: What the user called it.
        architecture: Or None.
        parameters: Elements of all tensors.
        dtypes: Of its tensors, most bytes first.
        license: Or None.
        read_bytes: Read to know this, of `total_bytes`.
    """

    name: str
    architecture: str | None
    parameters: int
    dtypes: tuple[str, ...]
    license: str | None
    read_bytes: int
    total_bytes: int


@dataclass(frozen=True)
class Report:
    """The outcome of a check.

    Attributes:
        is_compatible: No finding is an error.
        method: The method that was asked about, else the recommended one, or None.
        findings: Errors first.
        similarity: None when weights were not at hand.
        estimates: For each method that the score knows; empty when there is no similarity.
    """

    is_compatible: bool
    method: str | None
    models: tuple[Subject, ...]
    findings: tuple[Finding, ...]
    licence: LicenceVerdict
    resources: Resources | None
    advice: Advice
    similarity: Similarity | None = None
    estimates: tuple[Estimate, ...] = field(default=())
