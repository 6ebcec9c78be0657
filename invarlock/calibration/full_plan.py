"""What a full calibration will do: the settled plans of its four parts, which must speak of the same things."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from invarlock.calibration.null_plan import NullSweepPlan
from invarlock.calibration.rmt_plan import RmtSweepPlan
from invarlock.calibration.sweep_plan import SweepPlan
from invarlock.calibration.ve_plan import VeSweepPlan
from invarlock.calibration.window_sizing import WindowSizing
from invarlock.digests import digest_of
from invarlock.errors import ConfigError

NULL, RMT, VE, WINDOWS = "null_sweep", "rmt_sweep", "ve_sweep", "window_plan"  # folders of the results


@dataclass(frozen=True)
class FullPlan:
    """Settled. Raises ConfigError when a file or the model changed between the planning of two parts."""

    null_sweep: NullSweepPlan
    rmt_sweep: RmtSweepPlan
    ve_sweep: VeSweepPlan
    window_plan: WindowSizing

    def __post_init__(self) -> None:
        seen = {
            (plan.inputs, plan.code.sha256, *(model.identity.digest for model in plan.models))
            for plan in self.parts.values()
        }
        if len(seen) > 1:
            raise ConfigError(
                "a config file, the model or the code changed while the parts were planned",
                where=self.ve_sweep.config_input.name,
                fix="leave them alone, and run the command again",
            )

    @property
    def parts(self) -> Mapping[str, SweepPlan[Any]]:
        """By folder of the results, in order."""
        return {
            NULL: self.null_sweep,
            RMT: self.rmt_sweep,
            VE: self.ve_sweep,
            WINDOWS: self.window_plan,
        }

    @property
    def run_key(self) -> str:
        """Hex SHA-256 over the run keys of the parts."""
        return digest_of({name: plan.run_key for name, plan in self.parts.items()})
