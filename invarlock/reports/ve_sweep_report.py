"""``ve_sweep_report.json``: what a VE sweep found, with all that an auditor needs to recompute it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from pydantic import JsonValue

from invarlock.calibration.sweep_plan import Cell
from invarlock.calibration.ve_plan import VeSweepPlan
from invarlock.calibration.ve_records import PowerPoint, VeSummary
from invarlock.measure.records import VariantMeasurement
from invarlock.reports.sweep_report import (
    DistinctMeasurements,
    SweepOptions,
    SweepReport,
    distinct_measurements,
    options_of,
)
from invarlock.reports.ve_run_report import VeRunReport


class VeSweepOptions(SweepOptions):
    """The options of a VE sweep."""

    edit: str
    edit_plan: Mapping[str, JsonValue]
    windows: tuple[int, ...]
    target_enable_rate: float
    rule: str


class VeSweepReport(SweepReport):
    """The record behind ``ve_sweep_report.json``."""

    schema_version: Literal["ve-sweep-report/1"] = "ve-sweep-report/1"
    kind: Literal["variance_ve_sweep"] = "variance_ve_sweep"
    config: VeSweepOptions
    summaries: Mapping[str, VeSummary]
    power_curve: tuple[PowerPoint, ...]


def ve_measurements(
    plan: VeSweepPlan, variants: Iterable[VariantMeasurement], runs: Mapping[Cell, VeRunReport]
) -> DistinctMeasurements:
    """What ``plan`` needed: each window of baseline, A and every distinct B once."""
    windows: set[tuple[str, str]] = set()
    for run in runs.values():
        arms = run.variance.ab_test.provenance
        conditions = (arms.condition_a, *([arms.condition_b] if arms.condition_b else []))
        windows |= {(run.model.baseline_digest, loss.window_id) for loss in run.windows.baseline}
        windows |= {(arm.model_digest, window) for arm in conditions for window in arm.window_ids}
    return distinct_measurements(windows, plan.windows_run_by_run(), variants, model_digests=len(plan.models))


def ve_options(plan: VeSweepPlan) -> VeSweepOptions:
    """The options of ``plan`` as the report shows them."""
    n_runs = len(plan.tiers) * len(plan.seeds) * len(plan.models) * len(plan.windows)
    return VeSweepOptions(
        **options_of(plan, n_runs).model_dump(),
        edit=plan.config.edit.name,
        edit_plan=plan.config.edit.plan,
        windows=plan.windows,
        target_enable_rate=plan.target_enable_rate,
        rule=plan.rule.value,
    )
