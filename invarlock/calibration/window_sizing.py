"""What a window plan will do: its cells, the pair of models, and the counts that profiles ask for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from invarlock.calibration.sweep_plan import PlannedModel, SweepPlan
from invarlock.calibration.window_plan import ARMS
from invarlock.edits.planned_edit import PlannedEdit
from invarlock.policy.schema import Tier


class WindowModel(PlannedModel):
    """A baseline and the edit of it that its windows are compared under."""

    edit: PlannedEdit


class WindowSizing(SweepPlan[WindowModel]):
    """A window plan, settled. A schedule's final windows are those of the pair.

    target_half_width: nats per token; profiles: final windows by name; replicates: of the bootstrap.
    """

    kind: Literal["window_plan"] = "window_plan"
    target_half_width: float
    profiles: Mapping[str, int]
    replicates: Mapping[Tier, int]

    @property
    def model(self) -> WindowModel:
        """The one baseline."""
        return self.models[0]

    @property
    def windows(self) -> tuple[str, ...]:
        """Ids of the pair's windows, in the order in which they are drawn."""
        return self.model.windows.schedules[self.seeds[0]].final

    def windows_run_by_run(self) -> int:
        """How many window losses it would take, were every tier planned by itself."""
        return ARMS * len(self.tiers) * len(self.windows)
