"""How long the parts of a sweep took, and what it measured."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping

from invarlock.measure import branches, edge_risk, losses, tensor_statistics
from invarlock.provenance import commit
from invarlock.reports.sweep_report import Work
from tasks.work_tally import tally

KINDS = (losses.KIND, branches.KIND, edge_risk.KIND, tensor_statistics.KIND)


class WorkClock:
    """Starts when it is made; what was counted is read against that moment."""

    def __init__(self) -> None:
        self._before = tally()
        self._seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, part: str) -> None:
        """The time since the last lap belongs to ``part``."""
        now = time.perf_counter()
        self._seconds[part] = round(now - self._last, 3)
        self._last = now

    def work(self, mlflow_run_id: str) -> Work:
        """What was measured and found since this clock was made."""
        after = tally()
        return Work(
            measured=_gained(self._before.written, after.written),
            found=_gained(self._before.found, after.found),
            forward_passes=round(after.passes - self._before.passes, 3),
            quarantined=after.quarantined[len(self._before.quarantined) :],
            seconds=dict(self._seconds),
            host=platform.node(),
            commit=commit(),
            mlflow_run_id=mlflow_run_id,
        )


def _gained(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    return {kind: after.get(kind, 0) - before.get(kind, 0) for kind in KINDS}
