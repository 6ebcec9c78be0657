"""``report.json`` of one run of a VE sweep: the edit's guards, the proposal, and losses of both arms by window."""

from __future__ import annotations

from typing import Literal

from invarlock.guards.variance_metrics import VarianceMetrics
from invarlock.measure.records import WindowLoss
from invarlock.record import Record
from invarlock.reports.run_report import RunRecord


class CalibrationWindows(Record):
    """Losses by calibration window, in the order of the schedule; equalized is empty where no scales were run."""

    baseline: tuple[WindowLoss, ...]
    edited: tuple[WindowLoss, ...]
    equalized: tuple[WindowLoss, ...]


class VeRunReport(RunRecord):
    """The record behind it. No preview or final window was run: the gate is decided on calibration windows."""

    schema_version: Literal["ve-run-report/1"] = "ve-run-report/1"
    windows: CalibrationWindows

    @property
    def variance(self) -> VarianceMetrics:
        """The variance guard's numbers. KeyError when the run carries no such guard."""
        for guard in self.guards:
            if isinstance(guard.metrics, VarianceMetrics):
                return guard.metrics
        raise KeyError("variance")
