"""The lint of an enablement: does a report show what seed 003 asks before equalization may be on?

Reads reports as parsed JSON, so that it holds for files that somebody else wrote or changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

from pydantic import ValidationError

from invarlock.checkpoints.block_path import block_of
from invarlock.guards.predictive_gate import GateReason, weigh_interval
from invarlock.guards.variance_metrics import (
    Condition,
    ConditionTag,
    VarianceMetrics,
    target_fingerprint,
)
from invarlock.guards.variance_scales import matches
from invarlock.policy.variance import VariancePolicy
from invarlock.problems import KeyPath, Problem, problems_of
from invarlock.record import Record

_Parsed = TypeVar("_Parsed", bound=Record)


def check_enablement(report: Mapping[str, object]) -> tuple[Problem, ...]:
    """What is wrong with the variance entries of a run report or an evaluation report; empty when nothing is.

    An entry is one of ``guards`` that is named variance, or the ``variance`` block. What is enabled must follow from
    the recorded numbers under ``resolved_policy.variance``, and both arms must be traceable and alike but for the
    scales. An entry that cannot be read is a problem, each of its keys by name.
    """
    if not isinstance(report.get("guards"), list) and "variance" not in report:
        return (Problem((), "neither a list of guards nor variance: no run report or evaluation report"),)
    return tuple(
        problem
        for path, entry in _entries(report)
        for problem in (*_check(path, entry, report), *_off_edit(path, entry, report))
    )


def _entries(report: Mapping[str, object]) -> Iterator[tuple[KeyPath, object]]:
    guards = report.get("guards")
    for index, guard in enumerate(guards if isinstance(guards, list) else ()):
        if isinstance(guard, Mapping) and guard.get("name") == "variance":
            yield ("guards", index, "metrics"), guard.get("metrics")
    if "variance" in report:
        yield ("variance",), report["variance"]


def _off_edit(path: KeyPath, entry: object, report: Mapping[str, object]) -> Iterator[Problem]:
    """Targets in blocks that hold none of the modules that the run report's edit names."""
    edit = report.get("edit")
    plan = edit.get("plan") if isinstance(edit, Mapping) else None
    modules = plan.get("modules") if isinstance(plan, Mapping) else None
    targets = entry.get("target_modules") if isinstance(entry, Mapping) else None
    if not isinstance(modules, list) or not isinstance(targets, list | tuple):
        return
    edited = {block_of(str(module)) for module in modules}
    for index, target in enumerate(targets):
        if block_of(str(target)) not in edited:
            yield Problem(
                (*path, "target_modules", index), f"{target} is off target: the edit left its block alone"
            )


def _check(path: KeyPath, entry: object, report: Mapping[str, object]) -> list[Problem]:
    metrics = _parse(VarianceMetrics, entry, path)
    policy = _resolved_policy(report)
    if isinstance(metrics, VarianceMetrics) and isinstance(policy, VariancePolicy):
        return [Problem(path + found.path, found.message) for found in _judge(metrics, policy)]
    return [problem for parsed in (metrics, policy) if isinstance(parsed, list) for problem in parsed]


def _resolved_policy(report: Mapping[str, object]) -> VariancePolicy | list[Problem]:
    """The policy in force. A key left out is a problem: the schema's default need not be what was in force."""
    path: KeyPath = ("resolved_policy", "variance")
    resolved = report.get("resolved_policy")
    policy = _parse(VariancePolicy, resolved.get("variance") if isinstance(resolved, Mapping) else None, path)
    if isinstance(policy, list):
        return policy
    missing = [name for name in VariancePolicy.model_fields if name not in policy.model_fields_set]
    return [Problem((*path, name), "missing") for name in missing] or policy


def _parse(model: type[_Parsed], value: object, path: KeyPath) -> _Parsed | list[Problem]:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        return [Problem(path + found.path, found.message) for found in problems_of(error, model)]


def _judge(metrics: VarianceMetrics, policy: VariancePolicy) -> Iterator[Problem]:
    yield from _decision(metrics)
    if metrics.enabled:
        yield from _gain(metrics, policy)
        yield from _policy_used(metrics, policy)
        yield from _provenance(metrics)
        yield from _targets(metrics, policy)


def _decision(metrics: VarianceMetrics) -> Iterator[Problem]:
    gate = metrics.predictive_gate
    said = f"enabled is {str(metrics.enabled).lower()}"
    if gate.passed != metrics.enabled:
        yield Problem(("predictive_gate", "passed"), f"{str(gate.passed).lower()}, but {said}")
    if (gate.reason is GateReason.CI_GAIN_MET) != metrics.enabled:
        yield Problem(("predictive_gate", "reason"), f"{gate.reason.value}, but {said}")


def _gain(metrics: VarianceMetrics, policy: VariancePolicy) -> Iterator[Problem]:
    gate = metrics.predictive_gate
    if not gate.evaluated or gate.delta_ci is None or gate.mean_delta is None:
        yield Problem(("predictive_gate", "evaluated"), "enabled without an interval and a mean")
        return
    (lower, upper), threshold = gate.delta_ci, policy.min_effect_lognll
    reason = weigh_interval(gate.mean_delta, gate.delta_ci, min_effect=threshold)
    if lower > upper:
        yield Problem(("predictive_gate", "delta_ci"), f"[{lower:g}, {upper:g}] has its ends reversed")
    elif reason is not GateReason.CI_GAIN_MET:
        yield Problem(
            ("predictive_gate", "delta_ci"),
            f"[{lower:g}, {upper:g}] with mean {gate.mean_delta:g} reads {reason.value} "
            f"at min_effect_lognll {threshold:g}",
        )
    if gate.gain_ci != (-upper, -lower):
        yield Problem(("predictive_gate", "gain_ci"), "is not delta_ci with its signs turned")


def _policy_used(metrics: VarianceMetrics, policy: VariancePolicy) -> Iterator[Problem]:
    gate = metrics.predictive_gate
    if not policy.predictive_gate:
        yield Problem(("enabled",), "true, but resolved_policy.variance.predictive_gate is false")
    for path, used, resolved in (
        (("predictive_gate", "min_effect_lognll"), gate.min_effect_lognll, policy.min_effect_lognll),
        (("predictive_gate", "one_sided"), gate.one_sided, policy.predictive_one_sided),
        (("tap",), metrics.tap, policy.tap),
        (("target",), metrics.target, policy.target),
    ):
        if used != resolved:
            yield Problem(path, f"{used}, but resolved_policy.variance has {resolved}")


def _provenance(metrics: VarianceMetrics) -> Iterator[Problem]:
    test, where = metrics.ab_test, ("ab_test", "provenance")
    a, b = test.provenance.condition_a, test.provenance.condition_b
    if test.windows_used != len(a.window_ids):
        yield Problem(("ab_test", "windows_used"), f"{test.windows_used}, but {len(a.window_ids)} are named")
    if metrics.predictive_gate.windows != test.windows_used:
        yield Problem(("predictive_gate", "windows"), f"not the {test.windows_used} of ab_test.windows_used")
    if b is None:
        yield Problem((*where, "condition_b"), "missing: enabled without a run under the scales")
        return
    for name, ours, theirs in (
        ("window_ids", a.window_ids, b.window_ids),
        ("dataset_hash", a.dataset_hash, b.dataset_hash),
        ("tokenizer_hash", a.tokenizer_hash, b.tokenizer_hash),
    ):
        if ours != theirs:
            yield Problem((*where, "condition_b", name), "differs from that of condition_a")
    yield from _condition("condition_a", a, ConditionTag.EDITED, {})
    yield from _condition("condition_b", b, ConditionTag.VIRTUAL_VE, metrics.proposed_scales)


def _condition(
    name: str, condition: Condition, tag: ConditionTag, factors: Mapping[str, float]
) -> Iterator[Problem]:
    where = ("ab_test", "provenance", name)
    if condition.tag is not tag:
        yield Problem((*where, "tag"), f"{condition.tag.value}, expected {tag.value}")
    if condition.target_fingerprint != target_fingerprint(factors):
        what = "the proposed scales" if factors else "no scales"
        yield Problem((*where, "target_fingerprint"), f"is not that of {what}")


def _targets(metrics: VarianceMetrics, policy: VariancePolicy) -> Iterator[Problem]:
    scales, most = metrics.proposed_scales, policy.max_adjusted_modules
    if not scales:
        yield Problem(("proposed_scales",), "enabled without a scale")
    if set(metrics.target_modules) != set(scales):
        yield Problem(("target_modules",), "are not the modules of proposed_scales")
    if {each.tap.module: each.factor for each in metrics.proposal.taps if each.factor is not None} != scales:
        yield Problem(("proposed_scales",), "are not the factors of proposal.taps")
    if most and len(scales) > most:
        yield Problem(("proposed_scales",), f"{len(scales)} modules, max_adjusted_modules is {most}")
    taps = {each.tap.module: each.tap for each in metrics.proposal.taps}
    for index, module in enumerate(metrics.target_modules):
        if module not in taps or not matches(taps[module], policy.tap):
            yield Problem(
                ("target_modules", index), f"{module} is off target: no tap of {', '.join(policy.tap)}"
            )
