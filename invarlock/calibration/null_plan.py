"""What a sweep over null runs will do: its cells, and the harmless edits of a benign null."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from invarlock.calibration.null_request import CapRule, NullKind
from invarlock.calibration.sweep_plan import PlannedModel, SweepPlan
from invarlock.edits.benign_records import BenignEdit
from invarlock.policy.schema import Scope, Tier


class NullModel(PlannedModel):
    """A baseline of null runs. edits: seed to harmless edit; empty unless the null is benign."""

    edits: Mapping[int, BenignEdit]


class NullPlan(SweepPlan[NullModel]):
    """A sweep over null runs, settled."""


class NullSweepPlan(NullPlan):
    """A spectral null sweep, settled."""

    kind: Literal["spectral_null_sweep"] = "spectral_null_sweep"
    null: NullKind
    cap_rule: CapRule
    target_any_warning_rate: float

    def windows_run_by_run(self) -> int:
        """How many window losses the sweep would take, were every cell run by itself."""
        schedules = [s for model in self.models for s in model.windows.schedules.values()]
        arms = 2 if self.null is NullKind.BENIGN else 1
        return arms * len(self.tiers) * sum(len(s.preview + s.final) for s in schedules)

    @property
    def widest_tier(self) -> Tier:
        """A tier whose spectral guard judges every family, or the first."""
        whole = (t for t in self.tiers if self.policies[t].policy.spectral.scope is Scope.ALL)
        return next(whole, self.tiers[0])
