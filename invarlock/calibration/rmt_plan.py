"""What an RMT sweep will do: its cells, and the two sets of windows that a run compares."""

from __future__ import annotations

from typing import Literal

from invarlock.calibration.null_plan import NullPlan
from invarlock.calibration.rmt_request import RmtNull
from invarlock.data.evenly_spaced import evenly_spaced
from invarlock.data.schedule import Schedule
from invarlock.record import Record


class WindowSets(Record):
    """Window ids that a run's baseline is measured on, and those that its current model is."""

    baseline: tuple[str, ...]
    current: tuple[str, ...]


class RmtSweepPlan(NullPlan):
    """An RMT sweep, settled. windows: of a set, or all that there are to choose from."""

    kind: Literal["rmt_epsilon_sweep"] = "rmt_epsilon_sweep"
    null: RmtNull
    quantile: float
    windows: int

    def sets_of(self, schedule: Schedule) -> WindowSets:
        """Evenly spaced windows. Redraw: of preview and of final, which share none; benign: one set of both parts, as
        an evaluation chooses it."""
        if self.null is RmtNull.REDRAW:
            return WindowSets(baseline=self._spread(schedule.preview), current=self._spread(schedule.final))
        both = self._spread(schedule.preview + schedule.final)
        return WindowSets(baseline=both, current=both)

    def windows_run_by_run(self) -> int:
        """How many windows the sweep would run, were every cell run by itself."""
        sets = [self.sets_of(s) for model in self.models for s in model.windows.schedules.values()]
        return len(self.tiers) * sum(len(pair.baseline) + len(pair.current) for pair in sets)

    def _spread(self, ids: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(ids[place] for place in evenly_spaced(len(ids), self.windows))
