"""A VE sweep as an operator asks for it."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from invarlock.calibration.sweep_request import SweepRequest
from invarlock.calibration.ve_records import MinEffectRule
from invarlock.policy.variance import FEWEST_WINDOWS


class VeSweepRequest(SweepRequest):
    """Seed 000's ve-sweep. windows: counts of calibration windows; target_enable_rate: a share in [0, 1]."""

    config: Path = Path("configs/calibration/rmt_ve_sweep_ci.yaml")
    out: Path = Path("reports/calibration/ve_sweep")
    safety_margin: float = Field(0.0, ge=0)
    windows: tuple[int, ...] = (6, 8, 12, 16)
    target_enable_rate: float = Field(0.05, ge=0, le=1)
    rule: MinEffectRule = MinEffectRule.TARGET_RATE

    @model_validator(mode="after")
    def _windows_make_sense(self) -> Self:
        if not self.windows:
            raise ValueError("at least one window count is needed")
        if min(self.windows) < FEWEST_WINDOWS:
            raise ValueError(f"--window {min(self.windows)} is too few: an interval takes {FEWEST_WINDOWS}")
        if len(set(self.windows)) != len(self.windows):
            raise ValueError("a window count is named twice")
        return self
