"""Evidence of an evaluation with other losses, hits, policy or terms than were measured."""

from __future__ import annotations

from collections.abc import Sequence

from invarlock.evaluation.evaluation_plan import MetricChoice
from invarlock.evaluation.measured import ArmMeasured, Evidence
from invarlock.measure.arm_records import Failure, Part
from invarlock.measure.records import WindowHits, WindowLoss
from invarlock.policy.metrics import AccuracyGate, MetricsPolicy, RatioGate, SamplingFloors, TailGate
from invarlock.policy.resolution import resolve_policy
from invarlock.policy.schema import TierPolicy

ENOUGH = MetricsPolicy(
    pm_ratio=RatioGate(min_tokens=0, min_token_fraction=0.0),
    pm_tail=TailGate(min_windows=8),
    accuracy=AccuracyGate(min_examples=0, min_examples_fraction=0.0),
    sampling=SamplingFloors(min_windows=8),
)
"""Floors that 8 preview and 8 final windows reach."""


def under(evidence: Evidence, metrics: MetricsPolicy = ENOUGH, **changes: object) -> Evidence:
    """Under the balanced tier with ``metrics`` laid over it; changes: of the plan."""
    policy = resolve_policy("balanced", guards=TierPolicy(metrics=metrics))
    plan = evidence.plan.model_copy(update={"policy": policy, **changes})
    return evidence.model_copy(update={"plan": plan})


def with_deltas(evidence: Evidence, preview: Sequence[float], final: Sequence[float]) -> Evidence:
    """The subject's mean loss on each window is the baseline's and that much more, nats per token."""
    shifts = (*preview, *final)
    losses = tuple(
        loss.model_copy(update={"nll": loss.nll + shift * loss.tokens})
        for loss, shift in zip(evidence.measured.baseline.losses, shifts, strict=True)
    )
    return with_subject(evidence, **losses_of(evidence.measured.subject, losses))


def losses_of(arm: ArmMeasured, losses: Sequence[WindowLoss]) -> dict[str, object]:
    """``losses`` as fields of ``arm``, beside its edge risk too."""
    known = {loss.window_id: loss for loss in losses}
    edges = arm.edges
    if edges is not None:
        beside = tuple(known[loss.window_id] for loss in edges.losses)
        edges = edges.model_copy(update={"losses": beside})
    return {"losses": tuple(losses), "edges": edges}


def everywhere(evidence: Evidence, delta: float) -> Evidence:
    """The same change of the loss on every window."""
    windows = len(evidence.plan.schedule.preview), len(evidence.plan.schedule.final)
    return with_deltas(evidence, [delta] * windows[0], [delta] * windows[1])


def with_hits(evidence: Evidence, baseline: Sequence[int], subject: Sequence[int]) -> Evidence:
    """Scored by accuracy; hits: of every window, preview and final."""
    ids = evidence.plan.schedule.preview + evidence.plan.schedule.final
    tokens = {loss.window_id: loss.tokens for loss in evidence.measured.baseline.losses}

    def scored(arm: ArmMeasured, counts: Sequence[int]) -> ArmMeasured:
        hits = tuple(
            WindowHits(window_id=name, tokens=tokens[name], hits=count)
            for name, count in zip(ids, counts, strict=True)
        )
        return arm.model_copy(update={"hits": hits})

    both = {
        "baseline": scored(evidence.measured.baseline, baseline),
        "subject": scored(evidence.measured.subject, subject),
    }
    plan = evidence.plan.model_copy(update={"metric": MetricChoice.ACCURACY})
    return Evidence(plan=plan, measured=evidence.measured.model_copy(update=both))


def with_subject(evidence: Evidence, **changes: object) -> Evidence:
    """Other fields of what was measured of the subject."""
    subject = evidence.measured.subject.model_copy(update=changes)
    return evidence.model_copy(update={"measured": evidence.measured.model_copy(update={"subject": subject})})


def without(evidence: Evidence, part: Part) -> Evidence:
    """A part of the subject that could not be measured."""
    lost: dict[Part, dict[str, object]] = {
        Part.WEIGHTS: {"variant": None},
        Part.LOSSES: {"losses": (), "hits": ()},
        Part.EDGES: {"edges": None},
    }
    failure = Failure(part=part, what="it gives infinity", where="transformer.h.2")
    return with_subject(evidence, **lost[part], failures=(failure,))
