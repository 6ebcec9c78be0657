"""Where variance equalization may attach in an evaluation, and which scales it proposes there."""

from __future__ import annotations

from invarlock.checkpoints.branch_parts import in_branch
from invarlock.evaluation.evaluation_plan import EvaluationPlan
from invarlock.guards.variance_scales import ScaleProposal, matches, propose_scales
from invarlock.measure.branch_records import BranchRecord, Tap
from invarlock.measure.records import VariantMeasurement


def variance_targets(plan: EvaluationPlan, subject: VariantMeasurement) -> tuple[Tap, ...]:
    """Those of ``plan.taps`` that the tier names, on a branch of which a matrix moved.

    Elsewhere a scale would not make good what the edit did (seed 003).
    """
    moved = [name for name, drift in subject.drift.items() if drift.relative_change > 0]
    named = [tap for tap in plan.taps if matches(tap, plan.policy.policy.variance.tap)]
    return tuple(tap for tap in named if any(in_branch(module, tap.module) for module in moved))


def propose_for_evaluation(
    plan: EvaluationPlan, subject: VariantMeasurement, baseline: BranchRecord, edited: BranchRecord
) -> ScaleProposal:
    """The subject's proposal, from branch moments of both models. Raises what :func:`propose_scales` raises."""
    taps = variance_targets(plan, subject)
    return propose_scales(baseline.moments, edited.moments, taps, plan.policy.policy.variance)
