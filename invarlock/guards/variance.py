"""The variance guard: whether variance equalization is enabled for an edit, and the evidence (design page 4).

Pure: a proposal, the losses of both arms and a policy in, a report out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from invarlock.guards.predictive_gate import GateReason, PredictiveGate, decide_gate
from invarlock.guards.report import GuardReport, Severity, Verdict, Violation, verdict_of
from invarlock.guards.variance_metrics import (
    AbProvenance,
    AbTest,
    Condition,
    ConditionTag,
    VarianceMetrics,
    target_fingerprint,
)
from invarlock.guards.variance_scales import ScaleProposal
from invarlock.measure.records import WindowLoss
from invarlock.metrics.paired_windows import pair_losses
from invarlock.policy.spectral import Scope
from invarlock.policy.variance import VariancePolicy, VarianceTarget
from invarlock.record import Record


class Arm(Record):
    """One model variant run on the calibration windows, in the order of the schedule."""

    model_digest: str
    losses: tuple[WindowLoss, ...]


class PredictiveTest(Record):
    """What was run to judge a proposal.

    seed: drew the windows; asked: how many were asked for; edited: A; equalized: B, None where it was not run; base:
    the unedited model, None where its loss is not wanted.
    """

    seed: int
    asked: int
    edited: Arm
    equalized: Arm | None
    base: Arm | None
    dataset_hash: str
    tokenizer_hash: str


def judge_variance(proposal: ScaleProposal, test: PredictiveTest, policy: VariancePolicy) -> GuardReport:
    """Judge whether the proposed scales are to be enabled.

    Verdict: monitor when the test shows that they harm (a recorded warning), else allow. Equalization is an offer
    to the edit: it is taken up or not, and never blocks.

    Raises what :func:`~invarlock.guards.predictive_gate.decide_gate` raises, also for base against A.
    """
    equalized = test.equalized.losses if test.equalized else ()
    gate = decide_gate(proposal.scales, test.edited.losses, equalized, asked=test.asked, policy=policy)
    violations = tuple(_regressions(gate))
    verdict = verdict_of(violations)
    return GuardReport(
        name="variance",
        verdict=verdict,
        passed=verdict is not Verdict.BLOCK,
        policy=policy.model_dump(mode="json"),
        metrics=_metrics(proposal, test, gate, policy),
        violations=violations,
        diagnostics=tuple(_diagnostics(proposal, gate)),
    )


def _metrics(
    proposal: ScaleProposal, test: PredictiveTest, gate: PredictiveGate, policy: VariancePolicy
) -> VarianceMetrics:
    factors = proposal.scales.factors if proposal.scales else {}
    return VarianceMetrics(
        enabled=gate.passed,
        target_modules=tuple(sorted(factors)),
        proposed_scales=dict(sorted(factors.items())),
        scope=_scope(proposal),
        tap=policy.tap,
        target=proposal.target,
        predictive_gate=gate,
        ab_test=AbTest(
            seed=test.seed, windows_used=len(test.edited.losses), provenance=_provenance(test, factors)
        ),
        proposal=proposal,
        edit_cost=_edit_cost(test),
    )


def _scope(proposal: ScaleProposal) -> Scope:
    families = {each.tap.family for each in proposal.taps}
    return Scope(families.pop().value) if len(families) == 1 else Scope.ALL


def _provenance(test: PredictiveTest, factors: Mapping[str, float]) -> AbProvenance:
    def condition(tag: ConditionTag, arm: Arm, targets: Mapping[str, float]) -> Condition:
        return Condition(
            tag=tag,
            window_ids=tuple(loss.window_id for loss in arm.losses),
            target_fingerprint=target_fingerprint(targets),
            dataset_hash=test.dataset_hash,
            tokenizer_hash=test.tokenizer_hash,
            model_digest=arm.model_digest,
        )

    return AbProvenance(
        condition_a=condition(ConditionTag.EDITED, test.edited, {}),
        condition_b=condition(ConditionTag.VIRTUAL_VE, test.equalized, factors) if test.equalized else None,
    )


def _edit_cost(test: PredictiveTest) -> float | None:
    if test.base is None:
        return None
    return pair_losses(test.edited.losses, test.base.losses, arms=("A (edited)", "the base")).mean


def _regressions(gate: PredictiveGate) -> Iterator[Violation]:
    if gate.reason is GateReason.REGRESSION_DETECTED and gate.delta_ci is not None:
        lower, upper = gate.delta_ci
        yield Violation(
            type="variance_regression",
            severity=Severity.WARNING,
            message=f"virtual scales raise the loss: the interval [{lower:.3g}, {upper:.3g}] nats per token lies "
            f"above {gate.min_effect_lognll:g}; they stay off",
        )


def _diagnostics(proposal: ScaleProposal, gate: PredictiveGate) -> Iterator[str]:
    """Plain sentences about what the numbers cannot show."""
    if gate.reason is GateReason.DISABLED:
        yield "the tier's predictive gate is off: nothing shows that scales would help, so none is enabled"
    if proposal.target is VarianceTarget.UNIT:
        yield "scales aim at a second moment of 1, wherever the baseline was: they say little about the edit"
    saturated = sum(each.alpha != each.clamped for each in proposal.taps)
    if saturated:
        yield f"{saturated} of {len(proposal.taps)} scales end at the clamp"
    if any(each.backstop for each in proposal.taps):
        yield "no scale reached the thresholds: what is proposed is the backstop"
