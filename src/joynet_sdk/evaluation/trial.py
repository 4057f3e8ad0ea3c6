"""A model beside its parents: what `fuse test` finds."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from joynet_sdk.evaluation.comparison import Comparison, compare
from joynet_sdk.evaluation.metrics import LOWER_IS_BETTER
from joynet_sdk.evaluation.report import ReportFile


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model whose files are here.

    Attributes:
        name: What to call it.
        model_id: 32 bytes of a published one, or None.
    """

    name: str
    folder: Path
    model_id: bytes | None = None


@dataclass(frozen=True, eq=False)
class Trial:
    """The reports, and the child against each parent.

    Attributes:
        best: Index of the better parent; None without parents.
        left_out: Parents that the task does not fit, and why.
    """

    child: ReportFile
    parents: Sequence[ReportFile]
    comparisons: Sequence[Comparison]
    best: int | None
    left_out: Sequence[str] = ()

    @property
    def verdict(self) -> str:
        """One sentence: the child against its best parent."""
        if self.best is None:
            return "there are no parents to compare with"
        found = self.comparisons[self.best]
        if found.verdict == "within the error":
            return f"no difference to the best parent {found.against} beyond the error"
        return (
            f"{found.verdict} than the best parent {found.against} "
            f"by {abs(found.difference):.4f} +- {found.stderr:.4f} {found.metric}"
        )


def make_trial(files: Sequence[ReportFile], left_out: Sequence[str] = ()) -> Trial:
    """Compare reports that were made together, the child's first."""
    child, parents = files[0], list(files[1:])
    comparisons = [compare([parent.report, child.report])[0] for parent in parents]
    sign = -1 if child.report.metric.name in LOWER_IS_BETTER else 1
    values = [sign * found.reference for found in comparisons]
    best = values.index(max(values)) if values else None
    return Trial(child, parents, comparisons, best, left_out)
