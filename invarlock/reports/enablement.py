"""The lint of an enablement: does a report show what seed 003 asks before equalization may be on?

Reads reports as parsed JSON, so that it holds for files that somebody else wrote or changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar, cast

from pydantic import ConfigDict, JsonValue, ValidationError

from invarlock.checkpoints.branch_parts import in_branch
from invarlock.guards.predictive_gate import GateReason
from invarlock.guards.report import Verdict
from invarlock.guards.variance_metrics import VarianceMetrics
from invarlock.policy.resolution import policy_sha256
from invarlock.policy.variance import VariancePolicy
from invarlock.problems import KeyPath, Problem, problems_of
from invarlock.record import Record
from invarlock.reports.enablement_entry import check_entry
from invarlock.reports.enablement_evidence import RunEvidence, check_evidence

_GUARD = "variance"
_OWN_KEYS = {
    "predictive_gate",
    "proposed_scales",
}  # metrics with one of them are this guard's, whatever its name

_Parsed = TypeVar("_Parsed", bound=Record)


class _Edit(Record):
    """Of a report's ``edit``, the paths of the modules that were changed."""

    model_config = ConfigDict(extra="ignore")

    class _Plan(Record):
        model_config = ConfigDict(extra="ignore")

        modules: tuple[str, ...]

    plan: _Plan


@dataclass(frozen=True)
class _Entry:
    """One place that speaks of equalization. guard: its whole entry of ``guards``, None for the variance block."""

    path: KeyPath
    metrics: object
    guard: Mapping[str, object] | None


def check_enablement(report: Mapping[str, object]) -> tuple[Problem, ...]:
    """What is wrong with the variance entries of a run report or an evaluation report; empty when nothing is.

    An entry is one of ``guards`` that is named variance, or the ``variance`` block. What it decided must follow from
    its numbers under ``resolved_policy.variance``, and both arms must be traceable and alike but for the scales. A run
    report must bear its numbers out too: the decision is made anew from its losses, and model, data, seed, edit and
    the policy's digest are compared. An evaluation report is held to as many of them as it has. An entry that cannot
    be read is a problem, each of its keys by name.
    """
    guards = report.get("guards")
    if not isinstance(guards, list) and _GUARD not in report:
        return (Problem((), "neither a list of guards nor variance: no run report or evaluation report"),)
    problems = list(_misnamed(guards if isinstance(guards, list) else []))
    for entry in _entries(report):
        problems += _check(entry, report)
    return tuple(dict.fromkeys(problems))


def _misnamed(guards: list[object]) -> Iterator[Problem]:
    for index, guard in enumerate(guards):
        if not isinstance(guard, Mapping) or guard.get("name") == _GUARD:
            continue
        metrics = guard.get("metrics")
        if isinstance(metrics, Mapping) and _OWN_KEYS & metrics.keys():
            yield Problem(("guards", index, "name"), f"{guard.get('name')!r} on metrics of {_GUARD}")


def _entries(report: Mapping[str, object]) -> Iterator[_Entry]:
    guards = report.get("guards")
    for index, guard in enumerate(guards if isinstance(guards, list) else ()):
        if isinstance(guard, Mapping) and guard.get("name") == _GUARD:
            yield _Entry(("guards", index, "metrics"), guard.get("metrics"), guard)
    if _GUARD in report:
        yield _Entry((_GUARD,), report[_GUARD], None)


def _check(entry: _Entry, report: Mapping[str, object]) -> Iterator[Problem]:
    metrics = _parse(VarianceMetrics, entry.metrics, entry.path)
    policy = _resolved_policy(report)
    yield from _digests(report, required=entry.guard is not None)
    if isinstance(metrics, list) or isinstance(policy, list):
        yield from (found for parsed in (metrics, policy) if isinstance(parsed, list) for found in parsed)
        return
    yield from _at(entry.path, check_entry(metrics, policy))
    yield from _off_edit(entry, metrics, report)
    if entry.guard is not None:
        yield from _at(entry.path[:-1], _verdict(entry.guard, metrics, report))
    if entry.guard is not None or "windows" in report:
        run = _parse(RunEvidence, report, ())
        yield from run if isinstance(run, list) else check_evidence(entry.path, metrics, policy, run)


def _verdict(
    guard: Mapping[str, object], metrics: VarianceMetrics, report: Mapping[str, object]
) -> Iterator[Problem]:
    """Equalization is an offer: only harm is worth a warning, and nothing blocks."""
    harm = metrics.predictive_gate.reason is GateReason.REGRESSION_DETECTED
    expected = Verdict.MONITOR if harm else Verdict.ALLOW
    if guard.get("verdict") != expected:
        yield Problem(("verdict",), f"{guard.get('verdict')}, expected {expected.value}")
    if guard.get("passed") is not True:
        yield Problem(("passed",), f"{guard.get('passed')}, but the guard never blocks")
    resolved = report.get("resolved_policy")
    if isinstance(resolved, Mapping) and guard.get("policy") != resolved.get(_GUARD):
        yield Problem(("policy",), f"is not resolved_policy.{_GUARD}")


def _off_edit(entry: _Entry, metrics: VarianceMetrics, report: Mapping[str, object]) -> Iterator[Problem]:
    """Targets on branches that hold none of the modules that the edit names."""
    if not metrics.target_modules or (entry.guard is None and "edit" not in report):
        return
    edit = _parse(_Edit, report.get("edit"), ("edit",))
    if isinstance(edit, list):
        yield from edit
        return
    for index, target in enumerate(metrics.target_modules):
        if not any(in_branch(module, target) for module in edit.plan.modules):
            where = (*entry.path, "target_modules", index)
            yield Problem(where, f"{target} is off target: the edit left its branch alone")


def _digests(report: Mapping[str, object], *, required: bool) -> Iterator[Problem]:
    """The policy's digests, made anew; ``required``: one that is missing is a problem."""
    provenance = report.get("policy_provenance")
    known: Mapping[str, object] = provenance if isinstance(provenance, Mapping) else {}
    overrides = known.get("overrides")
    resolved, over = cast("tuple[JsonValue, list[JsonValue]]", (report.get("resolved_policy"), overrides))
    sha256 = policy_sha256(resolved, over if isinstance(over, list) else ())
    for name, expected in (("policy_sha256", sha256), ("policy_digest", sha256[:16])):
        if (required or name in known) and known.get(name) != expected:
            yield Problem(("policy_provenance", name), "is not that of resolved_policy and its overrides")


def _resolved_policy(report: Mapping[str, object]) -> VariancePolicy | list[Problem]:
    """The policy in force. A key left out is a problem: the schema's default need not be what was in force."""
    path: KeyPath = ("resolved_policy", _GUARD)
    resolved = report.get("resolved_policy")
    policy = _parse(VariancePolicy, resolved.get(_GUARD) if isinstance(resolved, Mapping) else None, path)
    if isinstance(policy, list):
        return policy
    missing = [name for name in VariancePolicy.model_fields if name not in policy.model_fields_set]
    return [Problem((*path, name), "missing") for name in missing] or policy


def _parse(model: type[_Parsed], value: object, path: KeyPath) -> _Parsed | list[Problem]:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        return list(_at(path, problems_of(error, model)))


def _at(path: KeyPath, problems: Iterator[Problem] | list[Problem]) -> Iterator[Problem]:
    return (Problem(path + found.path, found.message) for found in problems)
