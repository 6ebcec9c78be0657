"""Task: judge the VE runs of one seed, one a tier and window count, from kept measurements."""

from __future__ import annotations

from invarlock.calibration.ve_plan import VeSweepPlan
from invarlock.calibration.ve_proposals import SeedProposals
from invarlock.measure.branch_records import BranchRecord, ScaledRecord
from invarlock.measure.records import VariantMeasurement
from invarlock.reports.judge_ve_run import VeMeasured, judge_ve_run
from invarlock.store.documents import Reference, References
from tasks.caching import cached_task
from tasks.resources import documents, read_record


@cached_task(
    name="judge ve runs",
    run_name="judge seed {seed}",
    key=(
        "run_key",
        "model",
        "seed",
        "baseline",
        "edited",
        "baseline_branches",
        "edited_branches",
        "proposals",
        "scaled",
    ),
)
def judge_ve_runs(
    plan: Reference,
    run_key: str,
    model: str,
    seed: int,
    *,
    baseline: Reference,
    edited: Reference,
    baseline_branches: Reference,
    edited_branches: Reference,
    proposals: Reference,
    scaled: Reference,
) -> References:
    """The report of each cell of ``seed``, by its folder in the results."""
    settled = read_record(plan, VeSweepPlan)
    measured = VeMeasured(
        baseline=read_record(baseline, VariantMeasurement),
        edited=read_record(edited, VariantMeasurement),
        baseline_branches=read_record(baseline_branches, BranchRecord),
        edited_branches=read_record(edited_branches, BranchRecord),
        proposals=read_record(proposals, SeedProposals),
        scaled={one.scales.digest: one for one in read_record(scaled, ScaledRecord).sets},
    )
    return References(
        items={
            cell.folder: documents().put(judge_ve_run(settled, cell, measured))
            for cell in settled.cells_of(model, seed)
        }
    )
