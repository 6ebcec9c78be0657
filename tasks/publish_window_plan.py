"""Task: write the results folder of a window plan, and publish it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from prefect import task
from prefect.cache_policies import NO_CACHE

from invarlock.calibration.sweep_plan import Cell
from invarlock.calibration.window_plan_records import WindowPlan
from invarlock.calibration.window_sizing import WindowSizing
from invarlock.measure.timing_records import WindowTiming
from invarlock.reports.sweep_folder import SweepFolder
from invarlock.reports.sweep_report import Work
from invarlock.reports.window_plan_folder import write_window_plan
from invarlock.reports.window_plan_report import TimedWork, WindowPlanReport
from invarlock.reports.window_run_report import WindowRunReport
from invarlock.store.documents import Reference
from tasks.read_findings import read_findings
from tasks.resources import read_record


@task(name="write results", cache_policy=NO_CACHE, persist_result=False)
def publish_window_plan(
    folder: SweepFolder,
    sizing: WindowSizing,
    variants: Sequence[Reference],
    planned: Mapping[Cell, Reference],
    timing: Reference,
    work: Work,
) -> WindowPlanReport:
    """Everything that a finished plan leaves on disk, under the folder's final name."""
    return write_window_plan(
        folder,
        read_findings(sizing, variants, planned, {}, WindowRunReport, WindowPlan),
        generated_at=datetime.now(UTC).isoformat(timespec="seconds"),
        work=TimedWork(**work.model_dump(), timing=read_record(timing, WindowTiming)),
    )
