"""How long the loss of a window takes: passes timed as an evaluation runs them, nothing kept of them."""

from __future__ import annotations

import time
from collections.abc import Sequence

from invarlock.data.windows import Window
from invarlock.measure.losses import batches, run_windows, windows_a_pass
from invarlock.measure.models import LoadedModel
from invarlock.measure.side_by_side import side_by_side
from invarlock.measure.timing_records import WindowTiming

TIMED = 32  # windows; the first pass of a process, which pays for allocation, is run before and not timed


def time_windows(
    model: LoadedModel, windows: Sequence[Window], *, batch_size: int | None = None
) -> WindowTiming:
    """Time the first 32 of ``windows``, or all where there are fewer; batch_size: as in ``measure_losses``.

    The store is not asked, so that a loss it holds costs what a new one does.
    """
    jobs = list(batches(windows[:TIMED], windows_a_pass(model, batch_size)))
    run_windows(model, jobs[0])
    started = time.perf_counter()
    timed = sum(len(losses) for losses in side_by_side(model, jobs, run_windows))
    return WindowTiming(seconds_per_window=(time.perf_counter() - started) / timed, windows=timed)
