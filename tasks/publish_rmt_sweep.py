"""Task: write the results folder of an RMT sweep, the patch among it, and publish it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from prefect import task
from prefect.cache_policies import NO_CACHE

from invarlock.calibration.rmt_plan import RmtSweepPlan
from invarlock.calibration.rmt_records import RmtSummary
from invarlock.calibration.sweep_plan import Cell
from invarlock.policy.schema import Tier
from invarlock.reports.rmt_run_report import RmtRunReport
from invarlock.reports.rmt_sweep_folder import write_rmt_sweep
from invarlock.reports.rmt_sweep_report import RmtSweepReport
from invarlock.reports.sweep_folder import SweepFolder
from invarlock.reports.sweep_report import Work
from invarlock.store.documents import Reference
from tasks.read_findings import read_findings


@task(name="write patch and results", cache_policy=NO_CACHE, persist_result=False)
def publish_rmt_sweep(
    folder: SweepFolder,
    plan: RmtSweepPlan,
    variants: Sequence[Reference],
    judged: Mapping[Cell, Reference],
    summaries: Mapping[Tier, Reference],
    work: Work,
) -> RmtSweepReport:
    """Everything that a finished sweep leaves on disk, under the folder's final name."""
    return write_rmt_sweep(
        folder,
        read_findings(plan, variants, judged, summaries, RmtRunReport, RmtSummary),
        generated_at=datetime.now(UTC).isoformat(timespec="seconds"),
        work=work,
    )
