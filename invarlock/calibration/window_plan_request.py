"""A window plan as an operator asks for it."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from invarlock.calibration.sweep_request import SweepRequest
from invarlock.calibration.window_plan_records import TARGET_HALF_WIDTH
from invarlock.policy.variance import FEWEST_WINDOWS


class WindowPlanRequest(SweepRequest):
    """Design page 5's window-plan. target_half_width: nats per token.

    windows: of the pair, None = as many as the largest profile asks for, or all there are.
    """

    config: Path = Path("configs/calibration/rmt_ve_sweep_ci.yaml")
    out: Path = Path("reports/calibration/window_plan")
    seeds: tuple[int, ...] = (42,)
    safety_margin: float = Field(0.0, ge=0)
    target_half_width: float = Field(TARGET_HALF_WIDTH, gt=0)
    windows: int | None = Field(None, ge=FEWEST_WINDOWS)

    @model_validator(mode="after")
    def _one_pair(self) -> Self:
        if len(self.seeds) > 1 or len(self.models) > 1:
            raise ValueError("a plan rests on one pair: name one seed and one model")
        return self
