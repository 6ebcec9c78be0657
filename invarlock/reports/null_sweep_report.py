"""``null_sweep_report.json``: what a null sweep found, with all that an auditor needs to recompute it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from invarlock.calibration.drift_caps import DriftCapRecommendation
from invarlock.calibration.null_plan import NullSweepPlan
from invarlock.calibration.null_records import NullSummary
from invarlock.calibration.sweep_plan import Cell
from invarlock.measure.records import VariantMeasurement
from invarlock.reports.run_report import RunReport
from invarlock.reports.sweep_report import (
    DistinctMeasurements,
    SweepOptions,
    SweepReport,
    distinct_measurements,
    options_of,
)


class NullSweepOptions(SweepOptions):
    """The options of a null sweep."""

    null: str
    cap_rule: str
    target_any_warning_rate: float


class NullSweepReport(SweepReport):
    """The record behind ``null_sweep_report.json``."""

    schema_version: Literal["null-sweep-report/1"] = "null-sweep-report/1"
    kind: Literal["spectral_null_sweep"] = "spectral_null_sweep"
    config: NullSweepOptions
    summaries: Mapping[str, NullSummary]
    drift_caps: DriftCapRecommendation | None


def null_measurements(
    plan: NullSweepPlan, variants: Iterable[VariantMeasurement], runs: Mapping[Cell, RunReport]
) -> DistinctMeasurements:
    """What ``plan`` needed, given the measurement of each variant and the report of each run."""
    windows: set[tuple[str, str]] = set()
    for cell, run in runs.items():
        schedule = plan.schedule_of(cell)
        for digest in (run.model.digest, run.model.baseline_digest):
            windows |= {(digest, window) for window in schedule.preview + schedule.final}
    return distinct_measurements(windows, plan.windows_run_by_run(), variants, model_digests=len(plan.models))


def null_options(plan: NullSweepPlan) -> NullSweepOptions:
    """The options of ``plan`` as the report shows them."""
    n_runs = len(plan.tiers) * len(plan.seeds) * len(plan.models)
    return NullSweepOptions(
        **options_of(plan, n_runs).model_dump(),
        null=plan.null.value,
        cap_rule=plan.cap_rule.value,
        target_any_warning_rate=plan.target_any_warning_rate,
    )
