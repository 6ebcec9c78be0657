"""The flags of an evaluation and its verdict, from what was judged. Pure."""

from __future__ import annotations

from invarlock.evaluation.evaluation_plan import Assurance
from invarlock.gates.support import GateStatus
from invarlock.reports.evaluation_reasons import evaluation_reasons, tail_underpowered
from invarlock.reports.evaluation_report import Outcome, Validation, VerdictBlock
from invarlock.reports.evaluation_run import EvaluationRun
from invarlock.reports.guard_sections import GuardSections
from invarlock.reports.loss_comparison import LossComparison

EXIT_CODES = {Outcome.PASS: 0, Outcome.FAIL: 1, Outcome.ABORTED: 3}


def validate(losses: LossComparison, guards: GuardSections) -> Validation:
    """Every flag; one whose numbers are missing is false."""
    return Validation(
        primary_metric_acceptable=losses.gate is not None and losses.gate.acceptable,
        primary_metric_tail_acceptable=losses.tail is not None and losses.tail.acceptable,
        preview_final_drift_acceptable=losses.drift is not None and losses.drift.acceptable,
        invariants_pass=guards.invariants.passed,
        spectral_stable=guards.spectral.passed,
        rmt_stable=guards.rmt.passed,
        hysteresis_applied=losses.gate is not None and losses.gate.hysteresis_applied,
    )


def decide(
    baseline: EvaluationRun,
    subject: EvaluationRun,
    losses: LossComparison,
    guards: GuardSections,
    validation: Validation,
) -> VerdictBlock:
    """aborted: a part was not measured, or a spike; fail: a flag is false, or strict assurance and too little
    evidence; else pass."""
    failed = tuple(name for name, flag in validation if name != "hysteresis_applied" and not flag)
    underpowered = _underpowered(losses)
    strict = subject.terms.assurance is Assurance.STRICT
    if baseline.failures or subject.failures or (losses.spike is not None and losses.spike.spiked):
        outcome = Outcome.ABORTED
    elif failed or (strict and underpowered):
        outcome = Outcome.FAIL
    else:
        outcome = Outcome.PASS
    return VerdictBlock(
        outcome=outcome,
        exit_code=EXIT_CODES[outcome],
        failed=failed,
        underpowered=underpowered,
        reasons=tuple(evaluation_reasons(baseline, subject, losses, guards)),
    )


def _underpowered(losses: LossComparison) -> tuple[str, ...]:
    """Parts of the report that rest on too little."""
    short = {
        "windows": losses.windows is not None and losses.windows.underpowered,
        "primary metric": losses.gate is not None and losses.gate.status is GateStatus.UNDERPOWERED,
        "primary metric tail": losses.tail is not None and tail_underpowered(losses.tail),
    }
    return tuple(name for name, holds in short.items() if holds)
