"""Task: write the combined files of a full calibration, and publish it with its parts."""

from __future__ import annotations

from datetime import UTC, datetime

from prefect import task
from prefect.cache_policies import NO_CACHE

from invarlock.calibration.full_plan import FullPlan
from invarlock.reports.full_folder import write_full
from invarlock.reports.full_report import FullReport
from invarlock.reports.sweep_folder import SweepFolder
from invarlock.reports.sweep_report import Work


@task(name="write combined patch and page", cache_policy=NO_CACHE, persist_result=False)
def publish_full(folder: SweepFolder, plan: FullPlan, work: Work) -> FullReport:
    """Everything that a finished calibration leaves on disk, under the folder's final name."""
    return write_full(folder, plan, generated_at=datetime.now(UTC).isoformat(timespec="seconds"), work=work)
