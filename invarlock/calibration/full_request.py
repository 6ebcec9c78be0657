"""A full calibration as an operator asks for it: seed 001's fast path, four sweeps of one baseline."""

from __future__ import annotations

from pathlib import Path
from typing import Self, TypeVar

from pydantic import model_validator

from invarlock.calibration.null_request import NullKind, NullSweepRequest
from invarlock.calibration.rmt_request import RmtNull, RmtSweepRequest
from invarlock.calibration.sweep_request import CalibrationRequest, SweepRequest
from invarlock.calibration.ve_request import VeSweepRequest
from invarlock.calibration.window_plan_request import WindowPlanRequest

R = TypeVar("R", bound=SweepRequest)


class FullRequest(CalibrationRequest):
    """``invarlock calibrate all``. config: with an edit, which the null runs leave out; null: of both sweeps over null
    runs (noop is a redraw to the RMT sweep). What is particular to one sweep has that sweep's default."""

    config: Path = Path("configs/calibration/rmt_ve_sweep_ci.yaml")
    out: Path = Path("reports/calibration/all")
    null: NullKind = NullKind.NOOP

    @model_validator(mode="after")
    def _one_baseline(self) -> Self:
        if len(self.models) > 1:
            raise ValueError("one model at a time: pool related baselines with the single sweeps")
        return self

    def null_sweep(self) -> NullSweepRequest:
        """The first part."""
        return self._part(NullSweepRequest, null=self.null, edit_aside=True)

    def rmt_sweep(self) -> RmtSweepRequest:
        """The second."""
        null = RmtNull.BENIGN if self.null is NullKind.BENIGN else RmtNull.REDRAW
        return self._part(RmtSweepRequest, null=null, edit_aside=True)

    def ve_sweep(self) -> VeSweepRequest:
        """The third."""
        return self._part(VeSweepRequest)

    def window_plan(self) -> WindowPlanRequest:
        """The last: on the first seed."""
        return self._part(WindowPlanRequest, seeds=self.seeds[:1])

    def _part(self, kind: type[R], **own: object) -> R:
        common = {name: value for name, value in self if name != "null"}
        return kind.model_validate({**common, **own})
