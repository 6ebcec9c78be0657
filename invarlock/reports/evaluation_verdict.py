"""The flags of an evaluation and its verdict, from what was judged. Pure."""

from __future__ import annotations

from invarlock.evaluation.evaluation_plan import Assurance
from invarlock.gates.support import GateStatus
from invarlock.reports.evaluation_reasons import evaluation_reasons, tail_underpowered
from invarlock.reports.evaluation_report import EvaluationReport, Outcome, Validation, VerdictBlock
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
    reasons = tuple(evaluation_reasons(baseline, subject, losses, guards))
    unmeasured = bool(baseline.failures or subject.failures)
    strict = subject.terms.assurance is Assurance.STRICT
    return _verdict(losses, validation, reasons, unmeasured=unmeasured, strict=strict)


def decide_alone(report: EvaluationReport) -> EvaluationReport:
    """``report`` with flags and verdict made again from its own sections.

    Its reasons stand, and that it was aborted is believed: what could not be measured is in the runs.
    """
    losses = LossComparison(
        windows=report.dataset.windows.stats,
        primary_metric=report.primary_metric,
        gate=report.primary_metric_gate,
        tail=report.primary_metric_tail,
        drift=report.preview_final_drift,
        spike=report.spike,
    )
    guards = GuardSections(
        invariants=report.invariants, spectral=report.spectral, rmt=report.rmt, variance=report.variance
    )
    validation = validate(losses, guards)
    verdict = _verdict(
        losses,
        validation,
        report.verdict.reasons,
        unmeasured=report.verdict.outcome is Outcome.ABORTED,
        strict=report.terms.assurance is Assurance.STRICT,
    )
    return report.model_copy(update={"validation": validation, "verdict": verdict})


def _verdict(
    losses: LossComparison,
    validation: Validation,
    reasons: tuple[str, ...],
    *,
    unmeasured: bool,
    strict: bool,
) -> VerdictBlock:
    failed = tuple(name for name, flag in validation if name != "hysteresis_applied" and not flag)
    underpowered = _underpowered(losses)
    if unmeasured or (losses.spike is not None and losses.spike.spiked):
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
        reasons=reasons,
    )


def _underpowered(losses: LossComparison) -> tuple[str, ...]:
    """Parts of the report that rest on too little."""
    short = {
        "windows": losses.windows is not None and losses.windows.underpowered,
        "primary metric": losses.gate is not None and losses.gate.status is GateStatus.UNDERPOWERED,
        "primary metric tail": losses.tail is not None and tail_underpowered(losses.tail),
    }
    return tuple(name for name, holds in short.items() if holds)
