"""Who hears about the progress of long work: a reporter in a context variable, silent by default.

The library calls :func:`advance`; the command line installs a bar. Nothing else needs to know.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol


class Reporter(Protocol):
    """Told of stages of work. ``total`` may be announced again as more becomes known."""

    def announce(self, stage: str, total: int) -> None:
        """``stage`` gains ``total`` more units."""

    def advance(self, stage: str, units: int) -> None:
        """``units`` of ``stage`` are done."""


_reporter: ContextVar[Reporter | None] = ContextVar("invarlock_progress", default=None)


@contextmanager
def reporting_to(reporter: Reporter) -> Iterator[None]:
    """Send progress to ``reporter`` inside the block, threads with a copied context included."""
    token = _reporter.set(reporter)
    try:
        yield
    finally:
        _reporter.reset(token)


def announce(stage: str, total: int) -> None:
    """Say that ``stage`` (such as ``"windows"``) has ``total`` more units to do."""
    reporter = _reporter.get()
    if reporter is not None:
        reporter.announce(stage, total)


def advance(stage: str, units: int = 1) -> None:
    """Say that ``units`` of ``stage`` are done."""
    reporter = _reporter.get()
    if reporter is not None:
        reporter.advance(stage, units)
