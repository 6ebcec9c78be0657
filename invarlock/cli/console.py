"""What the terminal shows: a bar for each stage of long work, tables, and where to look next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from invarlock.progress import reporting_to

out = Console(highlight=False, emoji=False)
err = Console(stderr=True, highlight=False, emoji=False)


class Bars:
    """A progress reporter with one bar a stage, made when the stage is first announced."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._bars: dict[str, TaskID] = {}

    def announce(self, stage: str, total: int) -> None:
        """Add ``total`` units to the bar of ``stage``."""
        if stage not in self._bars:
            self._bars[stage] = self._progress.add_task(stage, total=0)
        bar = self._progress.tasks[self._bars[stage]]
        self._progress.update(bar.id, total=(bar.total or 0) + total)

    def advance(self, stage: str, units: int) -> None:
        """Move the bar of ``stage`` on."""
        self._progress.advance(self._bars[stage], units)


@contextmanager
def progress_shown(shown: bool) -> Iterator[None]:
    """Bars on the error stream inside the block, so that standard output stays clean."""
    if not shown:
        yield
        return
    columns = (TextColumn("{task.description:>10}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err) as progress, reporting_to(Bars(progress)):
        yield
