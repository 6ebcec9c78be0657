"""``rmt_sweep_report.json``: what an RMT sweep found, with all that an auditor needs to recompute it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from invarlock.calibration.rmt_plan import RmtSweepPlan
from invarlock.calibration.rmt_records import RmtSummary
from invarlock.calibration.sweep_plan import Cell
from invarlock.measure.records import VariantMeasurement
from invarlock.reports.rmt_run_report import RmtRunReport
from invarlock.reports.sweep_report import (
    DistinctMeasurements,
    SweepOptions,
    SweepReport,
    distinct_measurements,
    options_of,
)


class RmtSweepOptions(SweepOptions):
    """The options of an RMT sweep. windows: of a set, or all that there were."""

    null: str
    quantile: float
    windows: int


class RmtSweepReport(SweepReport):
    """The record behind ``rmt_sweep_report.json``."""

    schema_version: Literal["rmt-sweep-report/1"] = "rmt-sweep-report/1"
    kind: Literal["rmt_epsilon_sweep"] = "rmt_epsilon_sweep"
    config: RmtSweepOptions
    summaries: Mapping[str, RmtSummary]


def rmt_measurements(
    plan: RmtSweepPlan, variants: Iterable[VariantMeasurement], runs: Mapping[Cell, RmtRunReport]
) -> DistinctMeasurements:
    """What ``plan`` needed: each window of each variant once, for its loss and its edge risks together."""
    windows: set[tuple[str, str]] = set()
    for run in runs.values():
        windows |= {(run.model.baseline_digest, loss.window_id) for loss in run.windows.baseline}
        windows |= {(run.model.digest, loss.window_id) for loss in run.windows.current}
    return distinct_measurements(windows, plan.windows_run_by_run(), variants, model_digests=len(plan.models))


def rmt_options(plan: RmtSweepPlan) -> RmtSweepOptions:
    """The options of ``plan`` as the report shows them."""
    n_runs = len(plan.tiers) * len(plan.seeds) * len(plan.models)
    return RmtSweepOptions(
        **options_of(plan, n_runs).model_dump(),
        null=plan.null.value,
        quantile=plan.quantile,
        windows=plan.windows,
    )
