"""How long the parts of a sweep took, and what it measured."""

from __future__ import annotations

import platform
import time

from invarlock.measure import losses, tensor_statistics
from invarlock.provenance import commit
from invarlock.reports.null_sweep_report import Work
from tasks.resources import measurements


class WorkClock:
    """Starts when it is made; the stores' counters are read against that moment."""

    def __init__(self) -> None:
        self._before = measurements().counts()
        self._seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, part: str) -> None:
        """The time since the last lap belongs to ``part``."""
        now = time.perf_counter()
        self._seconds[part] = round(now - self._last, 3)
        self._last = now

    def work(self, mlflow_run_id: str) -> Work:
        """What was measured and found since this clock was made."""
        after = measurements().counts()

        def gained(kind: str, *, written: bool) -> int:
            ours, theirs = (
                (after.written, self._before.written) if written else (after.found, self._before.found)
            )
            return ours.get(kind, 0) - theirs.get(kind, 0)

        return Work(
            window_losses_measured=gained(losses.KIND, written=True),
            window_losses_found=gained(losses.KIND, written=False),
            tensor_statistics_measured=gained(tensor_statistics.KIND, written=True),
            tensor_statistics_found=gained(tensor_statistics.KIND, written=False),
            quarantined=after.quarantined[len(self._before.quarantined) :],
            seconds=dict(self._seconds),
            host=platform.node(),
            commit=commit(),
            mlflow_run_id=mlflow_run_id,
        )
