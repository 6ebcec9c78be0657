"""Task: the scales that an evaluation tries on its subject, from kept branch moments."""

from __future__ import annotations

from invarlock.calibration.ve_proposals import ScaleTest, SeedProposals
from invarlock.evaluation.evaluation_plan import EvaluationPlan
from invarlock.evaluation.variance_targets import propose_for_evaluation
from invarlock.measure.branch_records import BranchRecord
from invarlock.measure.records import VariantMeasurement
from invarlock.store.documents import Reference
from tasks.caching import cached_task
from tasks.resources import documents, read_record


@cached_task(name="propose equalization", key=("run_key", "subject", "baseline_branches", "subject_branches"))
def propose_equalization(
    plan: Reference,
    run_key: str,
    subject: Reference,
    baseline_branches: Reference,
    subject_branches: Reference,
) -> Reference:
    """The one proposal, and the test of it where there is something to test. subject: measurement of its weights."""
    settled = read_record(plan, EvaluationPlan)
    proposal = propose_for_evaluation(
        settled,
        read_record(subject, VariantMeasurement),
        read_record(baseline_branches, BranchRecord),
        read_record(subject_branches, BranchRecord),
    )
    wanted = settled.policy.policy.variance.predictive_gate and proposal.scales is not None
    windows = len(settled.schedule.calibration)
    tests = (ScaleTest(scales=proposal.scales, windows=windows),) if wanted and proposal.scales else ()
    return documents().put(SeedProposals(by_cell={settled.kind: proposal}, tests=tests))
