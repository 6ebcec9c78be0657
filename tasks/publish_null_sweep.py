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
from invarlock.measure.records import VariantMeasurement
from invarlock.policy.schema import Tier
from invarlock.reports.null_sweep_folder import NullSweepFindings, write_null_sweep
from invarlock.reports.null_sweep_report import NullSweepReport
from invarlock.reports.run_report import RunReport
from invarlock.reports.sweep_folder import SweepFolder
from invarlock.reports.sweep_report import Work
from invarlock.store.documents import Reference, read_document
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
    findings = NullSweepFindings(
        plan=plan,
        variants=[read_record(reference, VariantMeasurement) for reference in variants],
        runs={cell: read_record(reference, RunReport) for cell, reference in judged.items()},
        documents={cell: read_document(reference) for cell, reference in judged.items()},
        summaries={tier: read_record(reference, NullSummary) for tier, reference in summaries.items()},
        drift_caps=read_record(drift, DriftCapRecommendation) if drift is not None else None,
    )
    return write_null_sweep(
        folder,
        findings,
        generated_at=datetime.now(UTC).isoformat(timespec="seconds"),
        work=work,
    )
