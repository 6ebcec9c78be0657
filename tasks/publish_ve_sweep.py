"""Task: write the results folder of a VE sweep, the patch among it, and publish it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from prefect import task
from prefect.cache_policies import NO_CACHE

from invarlock.calibration.sweep_plan import Cell
from invarlock.calibration.ve_plan import VeSweepPlan
from invarlock.calibration.ve_records import VeSummary
from invarlock.policy.schema import Tier
from invarlock.reports.sweep_folder import SweepFolder
from invarlock.reports.sweep_report import Work
from invarlock.reports.ve_run_report import VeRunReport
from invarlock.reports.ve_sweep_folder import write_ve_sweep
from invarlock.reports.ve_sweep_report import VeSweepReport
from invarlock.store.documents import Reference
from tasks.read_findings import read_findings


@task(name="write patch and results", cache_policy=NO_CACHE, persist_result=False)
def publish_ve_sweep(
    folder: SweepFolder,
    plan: VeSweepPlan,
    variants: Sequence[Reference],
    judged: Mapping[Cell, Reference],
    summaries: Mapping[Tier, Reference],
    work: Work,
) -> VeSweepReport:
    """Everything that a finished sweep leaves on disk, under the folder's final name."""
    return write_ve_sweep(
        folder,
        read_findings(plan, variants, judged, summaries, VeRunReport, VeSummary),
        generated_at=datetime.now(UTC).isoformat(timespec="seconds"),
        work=work,
    )
