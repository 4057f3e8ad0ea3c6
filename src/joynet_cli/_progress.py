"""Progress bars on a terminal's stderr."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Bar:
    """One piece of long work. Does nothing when it is not shown."""

    def __init__(self, progress: "Progress | None" = None, task: "TaskID | None" = None) -> None:
        self._progress, self._task = progress, task

    def advance(self, steps: float = 1) -> None:
        """Count `steps` more as done."""
        if self._progress is not None and self._task is not None:
            self._progress.advance(self._task, steps)

    def stage(self, text: str) -> None:
        """Say what is being done now."""
        if self._progress is not None and self._task is not None:
            from rich.markup import escape

            self._progress.update(self._task, description=escape(text))

    def at(self, steps: float) -> None:
        """Say how much is done in all."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=steps)

    def total(self, steps: float) -> None:
        """Set the number of steps once it is known."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, total=steps)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Take the bar off the screen for the length of the block, e.g. to ask something."""
        if self._progress is None or not self._progress.live.is_started:
            yield
            return
        self._progress.stop()
        try:
            yield
        finally:
            self._progress.start()


@contextmanager
def open_bar(
    title: str, total: float | None, *, is_shown: bool, color: bool, is_bytes: bool = False
) -> Iterator[Bar]:
    """A bar for the length of the block, removed from the screen at the end.

    Args:
        is_bytes: Steps are bytes: show how many, and how many a second.
    """
    if not is_shown:
        yield Bar()
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        SpinnerColumn,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TransferSpeedColumn,
    )

    columns = [SpinnerColumn(), TextColumn("{task.description}")]
    if total is not None:
        columns += [BarColumn(), TaskProgressColumn()]
    if is_bytes:
        columns += [DownloadColumn(), TransferSpeedColumn()]
    progress = Progress(
        *(*columns, TimeElapsedColumn()),
        console=Console(stderr=True, no_color=not color),
        transient=True,
        redirect_stdout=False,  # rich would send it to stderr
    )
    with progress:
        yield Bar(progress, progress.add_task(escape(title), total=total))
