"""An RMT sweep as an operator asks for it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from pydantic import Field

from invarlock.calibration.null_request import NullRunsRequest

LEAST_QUANTILE, LARGEST_QUANTILE = 0.95, 0.99  # seed 001


class RmtNull(StrEnum):
    """What makes a null vary: the same weights on the same windows have the same edge risk."""

    REDRAW = "redraw"  # one model on two sets of windows
    BENIGN = "benign"  # a harmless edit that differs by seed, on the windows of its baseline


class RmtSweepRequest(NullRunsRequest):
    """Design page 5's rmt-sweep. quantile: of the null's delta that epsilon is to hold."""

    config: Path = Path("configs/calibration/null_sweep_ci.yaml")
    out: Path = Path("reports/calibration/rmt_sweep")
    safety_margin: float = Field(0.0, ge=0)
    quantile: float = Field(LEAST_QUANTILE, ge=LEAST_QUANTILE, le=LARGEST_QUANTILE)
    null: RmtNull = RmtNull.REDRAW
