"""Pictures of reports: a model against its parents, with error bars."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from joynet_sdk.errors import InvalidInputError, MissingDependencyError
from joynet_sdk.evaluation.comparison import check_comparable
from joynet_sdk.evaluation.metrics import LOWER_IS_BETTER
from joynet_sdk.evaluation.report import EvalReport, MetricPart
from joynet_sdk.evaluation.tasks import EXTRA
from joynet_sdk.paths import atomic_write

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMATS = (".png", ".svg")
MAX_CLASSES = 20  # more are not drawn one by one
COLORS = ("#1b6ca8", "#9aa5b1", "#c3ccd5", "#7b8794", "#d9cfae", "#b8a9c9")


def check_target(path: Path) -> None:
    """Refuse a file that no picture can be written to, before anything is measured.

    Raises:
        InvalidInputError: Neither .png nor .svg.
        MissingDependencyError: matplotlib is not installed.
    """
    if path.suffix.lower() not in FORMATS:
        raise InvalidInputError(f"plot {path.name}: expected a file .png or .svg")
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise MissingDependencyError("matplotlib", EXTRA, why="it draws the plot") from None


def draw(reports: Sequence[EvalReport], path: Path) -> None:
    """Draw comparable reports, the first one highlighted, and write the picture.

    Bars are the primary metric with its 95% interval; a classifier's classes stand beside it.

    Raises:
        InvalidInputError: Not comparable, or a name that is neither .png nor .svg.
        MissingDependencyError: matplotlib is not installed.
    """
    check_target(path)
    for other in reports[1:]:
        check_comparable(reports[0], other)
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    labels = [part.name for part in reports[0].classes]
    has_classes = 1 < len(labels) <= MAX_CLASSES
    width = 4 + (0.35 * len(labels) * len(reports) if has_classes else 0)
    figure = Figure(figsize=(min(width, 16), 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    ratios = [1.0, max(1.0, 0.35 * len(labels))] if has_classes else [1.0]
    axes = figure.subplots(1, len(ratios), squeeze=False, width_ratios=ratios)[0]
    _bars(axes[0], [[report.metric] for report in reports], [""], reports)
    name = reports[0].metric.name
    axes[0].set_title(name)
    axes[0].set_ylabel(f"{'lower' if name in LOWER_IS_BETTER else 'higher'} is better")
    axes[0].margins(x=0.3)
    if has_classes:
        _bars(axes[1], [_by_label(report, labels) for report in reports], labels, reports)
        axes[1].set_title("accuracy by class")
    task = reports[0].task
    figure.suptitle(f"{task.name}, {task.split}, {task.items:,} items; bars: 95% interval")
    figure.legend(
        *axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False
    )
    data = io.BytesIO()
    # No date: the same reports give the same picture.
    meta = {"Date": None} if path.suffix.lower() == ".svg" else {}
    figure.savefig(data, format=path.suffix.lower()[1:], dpi=150, metadata=meta)
    atomic_write(path, data.getvalue(), mode=0o644)


def _by_label(report: EvalReport, labels: Sequence[str]) -> list[MetricPart]:
    found = {part.name: part for part in report.classes}
    return [found[label] for label in labels]


def _bars(
    axes: "Axes", rows: Sequence[Sequence[MetricPart]], labels: Sequence[str],
    reports: Sequence[EvalReport],
) -> None:  # fmt: skip
    """One group of bars for each label, one bar in it for each report."""
    step = 0.8 / len(rows)
    for index, (parts, report) in enumerate(zip(rows, reports, strict=True)):
        heights = [float(part.value) for part in parts]
        places = [group + (index - (len(rows) - 1) / 2) * step for group in range(len(parts))]
        below = [max(0.0, float(part.value) - _finite(part.low, part)) for part in parts]
        above = [max(0.0, _finite(part.high, part) - float(part.value)) for part in parts]
        color = COLORS[min(index, len(COLORS) - 1)]
        axes.bar(places, heights, step * 0.9, label=report.model.ref[:40], color=color)
        axes.errorbar(places, heights, [below, above], fmt="none", ecolor="#333333", capsize=2)
    axes.set_xticks(range(len(labels)), labels)
    axes.spines[["top", "right"]].set_visible(False)


def _finite(text: str, part: MetricPart) -> float:
    """An end of the interval; the value itself where too few items tell."""
    return float(part.value if text in ("inf", "-inf") else text)
