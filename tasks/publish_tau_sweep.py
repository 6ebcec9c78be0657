"""Task: write the results folder of a tau sweep, and publish it."""

from __future__ import annotations

from datetime import UTC, datetime

from prefect import task
from prefect.cache_policies import NO_CACHE

from invarlock.calibration.tau_plan import TauSweepPlan
from invarlock.calibration.tau_records import TauFindings
from invarlock.reports.sweep_folder import SweepFolder
from invarlock.reports.sweep_report import Work
from invarlock.reports.tau_sweep_folder import write_tau_sweep
from invarlock.reports.tau_sweep_report import TauSweepReport


@task(name="write results", cache_policy=NO_CACHE, persist_result=False)
def publish_tau_sweep(
    folder: SweepFolder, plan: TauSweepPlan, found: TauFindings, work: Work
) -> TauSweepReport:
    """Everything that a finished sweep leaves on disk, under the folder's final name."""
    generated_at = datetime.now(UTC).isoformat(timespec="seconds")
    return write_tau_sweep(folder, plan, found, generated_at=generated_at, work=work)
