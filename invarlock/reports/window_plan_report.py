"""``window_plan_report.json``: how many windows evaluations need, with all that an auditor needs to recompute it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from pydantic import JsonValue

from invarlock.calibration.window_plan_records import WindowPlan
from invarlock.calibration.window_sizing import WindowSizing
from invarlock.measure.records import VariantMeasurement
from invarlock.measure.timing_records import WindowTiming
from invarlock.reports.sweep_report import (
    DistinctMeasurements,
    SweepOptions,
    SweepReport,
    Work,
    distinct_measurements,
    options_of,
)


class WindowPlanOptions(SweepOptions):
    """The options of a window plan. windows: of the pair; available: that the data have."""

    edit: str
    edit_plan: Mapping[str, JsonValue]
    windows: int
    available: int
    target_half_width: float


class TimedWork(Work):
    """With what a window costs on the host."""

    timing: WindowTiming


class WindowPlanReport(SweepReport):
    """The record behind ``window_plan_report.json``."""

    schema_version: Literal["window-plan-report/1"] = "window-plan-report/1"
    kind: Literal["window_plan"] = "window_plan"
    config: WindowPlanOptions
    summaries: Mapping[str, WindowPlan]
    volatile: TimedWork


def window_measurements(sizing: WindowSizing, variants: Iterable[VariantMeasurement]) -> DistinctMeasurements:
    """What ``sizing`` needed: each window of both models once."""
    variants = tuple(variants)
    windows = {(each.weights.model_digest, window) for each in variants for window in sizing.windows}
    return distinct_measurements(windows, sizing.windows_run_by_run(), variants, model_digests=1)


def window_options(sizing: WindowSizing) -> WindowPlanOptions:
    """The options of ``sizing`` as the report shows them."""
    return WindowPlanOptions(
        **options_of(sizing, len(sizing.tiers)).model_dump(),
        edit=sizing.config.edit.name,
        edit_plan=sizing.config.edit.plan,
        windows=len(sizing.windows),
        available=sizing.model.windows.available,
        target_half_width=sizing.target_half_width,
    )
