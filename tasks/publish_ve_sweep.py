"""Task: write the results folder of a VE sweep, the patch among it, and publish it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from prefect import task
from prefect.cache_policies import NO_CACHE

from invarlock.calibration.sweep_plan import Cell
from invarlock.calibration.ve_plan import VeSweepPlan
from invarlock.calibration.ve_records import VeSummary
from invarlock.measure.records import VariantMeasurement
from invarlock.policy.schema import Tier
from invarlock.reports.sweep_folder import SweepFolder
from invarlock.reports.sweep_report import Work
from invarlock.reports.ve_run_report import VeRunReport
from invarlock.reports.ve_sweep_folder import VeSweepFindings, write_ve_sweep
from invarlock.reports.ve_sweep_report import VeSweepReport
from invarlock.store.documents import Reference, read_document
from tasks.resources import read_record


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
    findings = VeSweepFindings(
        plan=plan,
        variants=[read_record(reference, VariantMeasurement) for reference in variants],
        runs={cell: read_record(reference, VeRunReport) for cell, reference in judged.items()},
        documents={cell: read_document(reference) for cell, reference in judged.items()},
        summaries={tier: read_record(reference, VeSummary) for tier, reference in summaries.items()},
    )
    return write_ve_sweep(
        folder, findings, generated_at=datetime.now(UTC).isoformat(timespec="seconds"), work=work
    )
