"""``evaluation.report.md``: an evaluation for a reviewer, the verdict first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from invarlock.gates.support import GateStatus
from invarlock.reports.evaluation_report import EvaluationReport, Outcome, Volatile
from invarlock.reports.explain import explain
from invarlock.reports.explain_settings import by_layer
from invarlock.reports.explanation import Explanation, GateExplanation, Setting

_VERDICTS = {Outcome.PASS: "PASS", Outcome.FAIL: "FAIL", Outcome.ABORTED: "ABORTED"}


def evaluation_markdown(report: EvaluationReport) -> str:
    """The whole document. Its last lines, what ran when, are all that differs between two runs of one evaluation."""
    told = explain(report)
    lines = [
        *_verdict(told),
        *_gates(told.gates),
        f"## {told.variance.title}",
        "",
        f"{_escaped(told.variance.finding)} (Information, never a gate.)",
        "",
        *_bullets(told.variance.notes),
        *_origin(told),
        *_ran(report.volatile),
    ]
    return "\n".join(lines).rstrip("\n") + "\n"


def _verdict(told: Explanation) -> list[str]:
    return [
        f"# {_VERDICTS[told.outcome]}: `{told.subject.id}` against `{told.baseline.id}`",
        "",
        f"{_escaped(told.headline)} Edit `{told.edit}`, tier {told.policy.tier}, profile {told.policy.profile}, "
        f"assurance {told.policy.assurance}, exit code {told.exit_code}.",
        "",
        *_bullets(told.reasons),
        "**Next**",
        "",
        *_bullets(told.next_steps),
    ]


def _gates(gates: Sequence[GateExplanation]) -> list[str]:
    lines = ["## Gates", "", "| gate | holds | status | finding |", "|---|---|---|---|"]
    lines += [
        f"| {gate.title} | {holds(gate)} | {gate.status.value} | {_cell(gate.finding)} |" for gate in gates
    ]
    lines.append("")
    for gate in gates:
        lines += [f"### Gate: {gate.title}", "", f"`{gate.flag}`: {_escaped(gate.finding)}", ""]
        lines += _comparisons(gate)
        lines += _bullets(gate.notes)
        lines += _settings(gate.settings)
    return lines


def holds(gate: GateExplanation) -> str:
    """yes or no, in a word that says when nobody looked."""
    if gate.status is GateStatus.OFF:
        return "not looked for"
    return "yes" if gate.acceptable else "**no**"


def _comparisons(gate: GateExplanation) -> list[str]:
    if not gate.comparisons:
        return []
    rows = [
        f"| {_cell(each.what)} | {each.value_text} | {each.interval_text} | {each.rule_text} "
        f"| {'yes' if each.holds else '**no**'} | {_cell(each.note)} |"
        for each in gate.comparisons
    ]
    return ["| | value | 95 % interval | allowed | within | |", "|---|---:|---|---|---|---|", *rows, ""]


def _settings(settings: Sequence[Setting]) -> list[str]:
    if not settings:
        return []
    lines = [
        f"- `{section}` set by {source}: "
        + ", ".join(f"`{each.key}` {_escaped(each.text)}" for each in group)
        for source, section, group in by_layer(settings)
    ]
    return ["Thresholds:", "", *lines, ""]


def _origin(told: Explanation) -> list[str]:
    return [
        "## Origin",
        "",
        f"- data: {_escaped(told.data)}",
        f"- baseline `{told.baseline.id}`, weights sha256 `{told.baseline.digest}`",
        f"- subject `{told.subject.id}`, weights sha256 `{told.subject.digest}`",
        f"- policy digest `{told.policy.digest}`, sha256 `{told.policy.sha256}`",
        f"- run key `{told.run_key}`",
        "",
        "`invarlock report verify evaluation.report.json` recomputes every number above from the files beside it.",
        "",
    ]


def _ran(volatile: Volatile | None) -> list[str]:
    if volatile is None:
        return []
    work = volatile.work
    return [
        f"Made {volatile.generated_at} on {work.host} with {work.forward_passes:g} forward passes; MLflow run "
        f"`{work.mlflow_run_id}`.",
    ]


def _bullets(lines: Iterable[str]) -> list[str]:
    shown = [f"- {_escaped(line)}" for line in lines]
    return [*shown, ""] if shown else []


def _escaped(text: str) -> str:
    """Module names hold what Markdown reads as emphasis."""
    return text.replace("*", "\\*").replace("_", "\\_")


def _cell(text: str) -> str:
    return _escaped(text).replace("|", "\\|")
