"""``report.json`` of one tier's window plan: the plan, and the losses of both models that it rests on."""

from __future__ import annotations

from typing import Literal

from invarlock.calibration.window_plan_records import WindowPlan
from invarlock.measure.records import WindowLoss
from invarlock.record import Record
from invarlock.reports.run_report import RunRecord


class PairWindows(Record):
    """Losses by window, in the order in which they are drawn."""

    baseline: tuple[WindowLoss, ...]
    edited: tuple[WindowLoss, ...]


class WindowRunReport(RunRecord):
    """The record behind it. No guard: a plan judges nothing."""

    schema_version: Literal["window-run-report/1"] = "window-run-report/1"
    plan: WindowPlan
    windows: PairWindows
