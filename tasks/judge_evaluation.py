"""Task: judge an evaluation from what was measured, and keep the evidence beside the verdicts."""

from __future__ import annotations

from invarlock.evaluation.evaluation_plan import EvaluationPlan
from invarlock.evaluation.measured import ArmMeasured, Evidence, Measured, VarianceMeasured
from invarlock.measure.arm_records import ArmRuns, ArmWeights
from invarlock.measure.branch_records import BranchRecord, ScaledRecord
from invarlock.measure.records import VariantMeasurement
from invarlock.record import Record
from invarlock.reports.compare_runs import compare_runs
from invarlock.reports.judge_runs import judge_runs
from invarlock.store.documents import Reference, References
from tasks.caching import cached_task
from tasks.resources import documents, read_record

BASELINE, SUBJECT, REPORT, EVIDENCE = "baseline", "subject", "report", "evidence"


class EvaluationParts(Record):
    """Handles of all that was measured. subject_runs: None for weights that could not be measured.

    branches: baseline's and subject's, and the subject's under proposed scales; None where none was tried.
    """

    baseline: Reference
    baseline_runs: Reference
    subject: Reference
    subject_runs: Reference | None
    branches: tuple[Reference, Reference, Reference] | None


@cached_task(name="judge evaluation", key=("run_key", "parts"))
def judge_evaluation(plan: Reference, run_key: str, parts: EvaluationParts) -> References:
    """The reports of both runs, the evaluation report, and the evidence that they are made from, by name."""
    settled = read_record(plan, EvaluationPlan)
    measured = _gather(parts)
    runs = judge_runs(settled, measured)
    kept = {
        BASELINE: runs.baseline,
        SUBJECT: runs.subject,
        REPORT: compare_runs(runs.baseline, runs.subject),
        EVIDENCE: Evidence(plan=settled.portable, measured=measured),
    }
    return References(items={name: documents().put(record) for name, record in kept.items()})


def _gather(parts: EvaluationParts) -> Measured:
    baseline = read_record(parts.baseline, VariantMeasurement)
    return Measured(
        baseline=ArmMeasured.of(
            ArmWeights(invariants=baseline.invariants, variant=baseline, failure=None),
            read_record(parts.baseline_runs, ArmRuns),
        ),
        subject=ArmMeasured.of(
            read_record(parts.subject, ArmWeights),
            None if parts.subject_runs is None else read_record(parts.subject_runs, ArmRuns),
        ),
        variance=None if parts.branches is None else _branches(*parts.branches),
    )


def _branches(baseline: Reference, subject: Reference, scaled: Reference) -> VarianceMeasured:
    sets = read_record(scaled, ScaledRecord).sets
    return VarianceMeasured(
        baseline=read_record(baseline, BranchRecord),
        subject=read_record(subject, BranchRecord),
        equalized=sets[0] if sets else None,
    )
