"""Task: write the results folder of a null sweep, the patch among it, and publish it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from prefect import task
from prefect.cache_policies import NO_CACHE

from invarlock.calibration.drift_caps import DriftCapRecommendation
from invarlock.calibration.null_plan import NullSweepPlan
from invarlock.calibration.null_records import NullSummary
from invarlock.calibration.sweep_plan import Cell
from invarlock.policy.schema import Tier
from invarlock.reports.null_sweep_folder import write_null_sweep
from invarlock.reports.null_sweep_report import NullSweepReport
from invarlock.reports.run_report import RunReport
from invarlock.reports.sweep_folder import SweepFolder
from invarlock.reports.sweep_report import Work
from invarlock.store.documents import Reference
from tasks.read_findings import read_findings
from tasks.resources import read_record


@task(name="write patch and results", cache_policy=NO_CACHE, persist_result=False)
def publish_null_sweep(
    folder: SweepFolder,
    plan: NullSweepPlan,
    variants: Sequence[Reference],
    judged: Mapping[Cell, Reference],
    summaries: Mapping[Tier, Reference],
    drift: Reference | None,
    work: Work,
) -> NullSweepReport:
    """Everything that a finished sweep leaves on disk, under the folder's final name."""
    return write_null_sweep(
        folder,
        read_findings(plan, variants, judged, summaries, RunReport, NullSummary),
        read_record(drift, DriftCapRecommendation) if drift is not None else None,
        generated_at=datetime.now(UTC).isoformat(timespec="seconds"),
        work=work,
    )
