"""A null sweep as an operator asks for it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from invarlock.calibration.sweep_request import SweepRequest


class NullKind(StrEnum):
    """What stands for 'nothing happened'."""

    NOOP = "noop"  # the model itself: seed 000's null
    BENIGN = "benign"  # a harmless edit that differs by seed


class CapRule(StrEnum):
    """Where caps come from."""

    MARGIN = "margin"  # kappa = max |z| (1 + margin): the seed's rule
    TOLERANCE = "tolerance"  # that, and drift caps as tolerance limits of the benign population


class NullRunsRequest(SweepRequest):
    """A sweep over null runs. edit_aside: the config's edit is for another sweep, null runs leave it out."""

    edit_aside: bool = False


class NullSweepRequest(NullRunsRequest):
    """Seed 000's null-sweep. Rates are shares in [0, 1]."""

    config: Path = Path("configs/calibration/null_sweep_ci.yaml")
    out: Path = Path("reports/calibration/null_sweep")
    safety_margin: float = Field(0.05, ge=0)
    target_any_warning_rate: float = Field(0.01, ge=0, le=1)
    null: NullKind = NullKind.NOOP
    cap_rule: CapRule = CapRule.MARGIN

    @model_validator(mode="after")
    def _caps_have_a_null(self) -> Self:
        if self.cap_rule is CapRule.TOLERANCE and self.null is not NullKind.BENIGN:
            raise ValueError("--cap-rule tolerance needs --null benign: a no-op has no drift to bound")
        return self
