"""``report.json`` of one run of an RMT sweep: edge risks of baseline and current model, and losses by window."""

from __future__ import annotations

from typing import Literal

from invarlock.calibration.rmt_request import RmtNull
from invarlock.guards.rmt_metrics import RmtMetrics
from invarlock.measure.records import WindowLoss
from invarlock.record import Record
from invarlock.reports.run_report import RunRecord


class EdgeWindows(Record):
    """Losses of the windows whose passes gave the edge risks, in order; under a redraw the two share none."""

    baseline: tuple[WindowLoss, ...]
    current: tuple[WindowLoss, ...]


class RmtRunReport(RunRecord):
    """The record behind it. No perplexity: a run looks at a few windows only."""

    schema_version: Literal["rmt-run-report/1"] = "rmt-run-report/1"
    null: RmtNull
    windows: EdgeWindows

    @property
    def rmt(self) -> RmtMetrics:
        """The RMT guard's numbers. KeyError when the run carries no such guard."""
        for guard in self.guards:
            if isinstance(guard.metrics, RmtMetrics):
                return guard.metrics
        raise KeyError("rmt")
