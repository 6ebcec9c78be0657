"""What a VE sweep will do: its cells, the edit under test, and the places where scales may attach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from invarlock.calibration.sweep_plan import Cell, PlannedModel, SweepPlan
from invarlock.calibration.ve_records import MinEffectRule
from invarlock.edits.planned_edit import PlannedEdit
from invarlock.guards.variance_scales import matching_taps
from invarlock.measure.branch_records import Tap
from invarlock.policy.resolution import ResolvedPolicy
from invarlock.policy.schema import Tier


class VeModel(PlannedModel):
    """A baseline of a VE sweep. edit: what is under test; taps: every branch; edited: those that the edit touches."""

    edit: PlannedEdit
    taps: tuple[Tap, ...]
    edited: tuple[Tap, ...]


class VeCell(Cell):
    """One run of a VE sweep. windows: how many calibration windows it decides on."""

    windows: int


class VeSweepPlan(SweepPlan[VeModel]):
    """A VE sweep, settled."""

    kind: Literal["variance_ve_sweep"] = "variance_ve_sweep"
    windows: tuple[int, ...]
    target_enable_rate: float
    rule: MinEffectRule

    def cells_of(self, model: str, seed: int) -> tuple[VeCell, ...]:
        """A cell a tier and window count, at ``runs/<tier>/windows_<w>/seed_<s>`` (design page 5)."""
        middle = self.model_folder(model)
        return tuple(
            VeCell(
                model=model,
                tier=tier,
                seed=seed,
                folder=f"runs/{tier.value}/{middle}windows_{windows}/seed_{seed}",
                windows=windows,
            )
            for tier in self.tiers
            for windows in self.windows
        )

    def windows_run_by_run(self) -> int:
        """How many window losses the sweep would take, were every cell run by itself: baseline, A and B in each."""
        return 3 * len(self.models) * len(self.tiers) * len(self.seeds) * sum(self.windows)


def require_taps(edited: Sequence[Tap], policies: Mapping[Tier, ResolvedPolicy]) -> None:
    """PolicyError when the ``tap`` of a tier names none of the branches that the edit touches."""
    for policy in policies.values():
        matching_taps(edited, policy.policy.variance.tap)
