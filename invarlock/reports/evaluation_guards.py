"""The guards of one model of an evaluation; a guard that has nothing to judge by blocks and says why. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from invarlock.errors import MeasurementError, ModelError
from invarlock.evaluation.evaluation_plan import EvaluationPlan
from invarlock.evaluation.measured import ArmMeasured, VarianceMeasured
from invarlock.evaluation.variance_targets import propose_for_evaluation, variance_targets
from invarlock.guards.invariants import judge_invariants
from invarlock.guards.report import GuardReport
from invarlock.guards.rmt import judge_rmt, refuse_rmt
from invarlock.guards.spectral import judge_spectral
from invarlock.guards.unjudged import not_asked, refuse
from invarlock.guards.variance import Arm, PredictiveTest, judge_variance
from invarlock.measure.arm_records import Part
from invarlock.measure.branch_records import VirtualScales
from invarlock.measure.records import VariantMeasurement
from invarlock.policy.rmt import RmtPolicy
from invarlock.policy.schema import SpectralPolicy


def judge_guards(
    plan: EvaluationPlan, baseline: ArmMeasured, subject: ArmMeasured, variance: VarianceMeasured | None
) -> tuple[GuardReport, ...]:
    """Invariants, spectral, rmt and variance of ``subject``, by the plan's policy. A baseline is its own subject.

    Raises PolicyError for a policy that does not fit the model, DataError for edge risks of different windows.
    """
    policy = plan.policy.policy
    return (
        judge_invariants(baseline.invariants, subject.invariants),
        _spectral(baseline, subject, policy.spectral),
        _rmt(baseline, subject, policy.rmt),
        _variance(plan, baseline, subject, variance),
    )


def _spectral(baseline: ArmMeasured, subject: ArmMeasured, policy: SpectralPolicy) -> GuardReport:
    given = policy.model_dump(mode="json")
    before, after = baseline.variant, subject.variant
    if before is None or after is None:
        return refuse("spectral", _why(Part.WEIGHTS, baseline, subject), given)
    try:
        return judge_spectral(before.weights, after.weights, policy, after.drift)
    except (ModelError, MeasurementError) as error:  # modules that do not pair, or have no relative size
        return refuse("spectral", _sentence(error.what, error.where), given)


def _rmt(baseline: ArmMeasured, subject: ArmMeasured, policy: RmtPolicy) -> GuardReport:
    if baseline.edges is None or subject.edges is None:
        return refuse_rmt(_why(Part.EDGES, baseline, subject), policy)
    return judge_rmt(baseline.edges, subject.edges, policy)


def _variance(
    plan: EvaluationPlan, baseline: ArmMeasured, subject: ArmMeasured, measured: VarianceMeasured | None
) -> GuardReport:
    policy, before, after = plan.policy.policy.variance, baseline.variant, subject.variant
    if measured is None or before is None or after is None:
        return not_asked("variance", _why_not_equalized(plan, after), policy.model_dump(mode="json"))
    proposal = propose_for_evaluation(plan, after, measured.baseline, measured.subject)
    return judge_variance(proposal, _test(plan, before, after, measured, proposal.scales), policy)


def _test(
    plan: EvaluationPlan,
    before: VariantMeasurement,
    after: VariantMeasurement,
    measured: VarianceMeasured,
    scales: VirtualScales | None,
) -> PredictiveTest:
    edited = after.weights.model_digest
    run = measured.equalized
    equalized = None
    if scales is not None and run is not None and run.scales == scales:
        equalized = Arm(model_digest=scales.variant_of(edited), losses=run.losses)
    return PredictiveTest(
        seed=plan.schedule.seed,
        asked=len(plan.schedule.calibration),
        edited=Arm(model_digest=edited, losses=measured.subject.losses),
        equalized=equalized,
        base=Arm(model_digest=before.weights.model_digest, losses=measured.baseline.losses),
        dataset_hash=plan.schedule.dataset_hash,
        tokenizer_hash=plan.windows.tokenizer_hash,
    )


def _why_not_equalized(plan: EvaluationPlan, subject: VariantMeasurement | None) -> str:
    if subject is None:
        return "the weights could not be measured"
    if not plan.taps:
        return "it was not asked for, or the branches of this architecture are not known"
    if not variance_targets(plan, subject):
        return "no matrix moved in a branch that the tier lets it attach to"
    return "the branches were not measured"


def _why(part: Part, baseline: ArmMeasured, subject: ArmMeasured) -> str:
    """What the measurements said that failed, the baseline's first."""
    told = [*_told("baseline", part, baseline)] or [*_told("subject", part, subject)]
    return "; ".join(told) or f"the {part.value} were not measured, and nothing says why"


def _told(side: str, part: Part, arm: ArmMeasured) -> Iterator[str]:
    for failure in arm.failures:
        if failure.part is part:
            yield f"{part.value} of the {side}: {_sentence(failure.what, failure.where)}"


def _sentence(what: str, where: str | None) -> str:
    return what if where is None else f"{what} ({where})"
