"""One variance entry by itself: does its decision follow from its own numbers under the resolved policy?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import ValidationError

from invarlock.guards.predictive_gate import GateReason, weigh_interval
from invarlock.guards.variance_metrics import (
    Condition,
    ConditionTag,
    VarianceMetrics,
    target_fingerprint,
)
from invarlock.guards.variance_scales import choose_factors, compare_moments, matches
from invarlock.measure.branch_records import VirtualScales
from invarlock.policy.variance import FEWEST_WINDOWS, VariancePolicy
from invarlock.problems import KeyPath, Problem

_A: KeyPath = ("ab_test", "provenance", "condition_a")
_B: KeyPath = ("ab_test", "provenance", "condition_b")


def check_entry(metrics: VarianceMetrics, policy: VariancePolicy) -> Iterator[Problem]:
    """What is wrong with an entry, enabled or not, by its keys."""
    yield from _decision(metrics)
    yield from _interval(metrics, policy)
    yield from _policy_used(metrics, policy)
    yield from _arms(metrics)
    yield from _factors(metrics, policy)
    yield from _targets(metrics, policy)


def _decision(metrics: VarianceMetrics) -> Iterator[Problem]:
    gate = metrics.predictive_gate
    said = f"enabled is {str(metrics.enabled).lower()}"
    if gate.passed != metrics.enabled:
        yield Problem(("predictive_gate", "passed"), f"{str(gate.passed).lower()}, but {said}")
    if (gate.reason is GateReason.CI_GAIN_MET) != metrics.enabled:
        yield Problem(("predictive_gate", "reason"), f"{gate.reason.value}, but {said}")


def _interval(metrics: VarianceMetrics, policy: VariancePolicy) -> Iterator[Problem]:
    gate = metrics.predictive_gate
    if gate.delta_ci is None or gate.mean_delta is None:
        if metrics.enabled or gate.evaluated:
            yield Problem(
                ("predictive_gate", "evaluated"), "enabled or evaluated without an interval and a mean"
            )
        return
    if not gate.evaluated:
        yield Problem(("predictive_gate", "evaluated"), "false, but there is an interval")
    (lower, upper), mean, threshold = gate.delta_ci, gate.mean_delta, policy.min_effect_lognll
    interval = f"[{lower:g}, {upper:g}]"
    reason = weigh_interval(mean, gate.delta_ci, min_effect=threshold)
    if lower > upper:
        yield Problem(("predictive_gate", "delta_ci"), f"{interval} has its ends reversed")
    elif not lower <= mean <= upper:
        yield Problem(("predictive_gate", "mean_delta"), f"{mean:g} lies outside {interval}")
    elif reason is not gate.reason:
        yield Problem(
            ("predictive_gate", "delta_ci"),
            f"{interval} with mean {mean:g} reads {reason.value} at min_effect_lognll {threshold:g}, "
            f"not {gate.reason.value}",
        )
    if gate.gain_ci != (-upper, -lower):
        yield Problem(("predictive_gate", "gain_ci"), "is not delta_ci with its signs turned")


def _policy_used(metrics: VarianceMetrics, policy: VariancePolicy) -> Iterator[Problem]:
    gate = metrics.predictive_gate
    if metrics.enabled and not policy.predictive_gate:
        yield Problem(("enabled",), "true, but resolved_policy.variance.predictive_gate is false")
    for path, used, resolved in (
        (("predictive_gate", "min_effect_lognll"), gate.min_effect_lognll, policy.min_effect_lognll),
        (("predictive_gate", "one_sided"), gate.one_sided, policy.predictive_one_sided),
        (("tap",), metrics.tap, policy.tap),
        (("target",), metrics.target, policy.target),
        (("proposal", "target"), metrics.proposal.target, policy.target),
    ):
        if used != resolved:
            yield Problem(path, f"{used}, but resolved_policy.variance has {resolved}")


def _arms(metrics: VarianceMetrics) -> Iterator[Problem]:
    test, gate = metrics.ab_test, metrics.predictive_gate
    a, b = test.provenance.condition_a, test.provenance.condition_b
    if test.windows_used != len(a.window_ids):
        yield Problem(("ab_test", "windows_used"), f"{test.windows_used}, but {len(a.window_ids)} are named")
    if gate.windows != test.windows_used:
        yield Problem(("predictive_gate", "windows"), f"not the {test.windows_used} of ab_test.windows_used")
    distinct = len(set(a.window_ids))
    if distinct < len(a.window_ids):
        yield Problem((*_A, "window_ids"), "name a window more than once")
    if (gate.evaluated or metrics.enabled) and distinct < FEWEST_WINDOWS:
        yield Problem((*_A, "window_ids"), f"{distinct} windows: an interval takes {FEWEST_WINDOWS}")
    yield from _condition(_A, a, ConditionTag.EDITED, {})
    if b is not None:
        yield from _second_arm(metrics, a, b)
    elif gate.evaluated or metrics.enabled:
        yield Problem(_B, "missing: enabled or evaluated without a run under the scales")


def _second_arm(metrics: VarianceMetrics, a: Condition, b: Condition) -> Iterator[Problem]:
    for name, ours, theirs in (
        ("window_ids", a.window_ids, b.window_ids),
        ("dataset_hash", a.dataset_hash, b.dataset_hash),
        ("tokenizer_hash", a.tokenizer_hash, b.tokenizer_hash),
    ):
        if ours != theirs:
            yield Problem((*_B, name), "differs from that of condition_a")
    yield from _condition(_B, b, ConditionTag.VIRTUAL_VE, metrics.proposed_scales)
    if not metrics.proposed_scales:
        yield Problem(_B, "a run under scales, but none is proposed")
    elif b.model_digest != VirtualScales(factors=metrics.proposed_scales).variant_of(a.model_digest):
        yield Problem((*_B, "model_digest"), "is not that of condition_a's model under the proposed scales")


def _condition(
    where: KeyPath, condition: Condition, tag: ConditionTag, factors: Mapping[str, float]
) -> Iterator[Problem]:
    if condition.tag is not tag:
        yield Problem((*where, "tag"), f"{condition.tag.value}, expected {tag.value}")
    if condition.target_fingerprint != target_fingerprint(factors):
        what = "the proposed scales" if factors else "no scales"
        yield Problem((*where, "target_fingerprint"), f"is not that of {what}")


def _factors(metrics: VarianceMetrics, policy: VariancePolicy) -> Iterator[Problem]:
    """The proposal made anew from its own moments: clamp, step, thresholds and counts are the policy's."""
    taps = metrics.proposal.taps
    try:
        measured = [compare_moments(each.tap, each.target, each.edited, policy) for each in taps]
    except ValidationError:
        yield Problem(("proposal", "taps"), "no finite factor can be read from these moments")
        return
    for index, (found, expected) in enumerate(zip(taps, choose_factors(measured, policy), strict=True)):
        for name in ("alpha", "clamped", "factor", "dropped", "backstop"):
            ours, theirs = getattr(found, name), getattr(expected, name)
            if ours != theirs:
                where = ("proposal", "taps", index, name)
                yield Problem(where, f"{ours}, but its moments give {theirs} under resolved_policy.variance")
    scales = {each.tap.module: each.factor for each in taps if each.factor is not None}
    if scales != metrics.proposed_scales:
        yield Problem(("proposed_scales",), "are not the factors of proposal.taps")


def _targets(metrics: VarianceMetrics, policy: VariancePolicy) -> Iterator[Problem]:
    if metrics.enabled and not metrics.proposed_scales:
        yield Problem(("proposed_scales",), "enabled without a scale")
    if set(metrics.target_modules) != set(metrics.proposed_scales):
        yield Problem(("target_modules",), "are not the modules of proposed_scales")
    taps = {each.tap.module: each.tap for each in metrics.proposal.taps}
    for index, module in enumerate(metrics.target_modules):
        if module not in taps or not matches(taps[module], policy.tap):
            where = ("target_modules", index)
            yield Problem(where, f"{module} is off target: no tap of {', '.join(policy.tap)}")
