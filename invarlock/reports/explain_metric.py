"""The gate on the primary metric, explained."""

from __future__ import annotations

from invarlock.evaluation.evaluation_plan import Assurance
from invarlock.gates.primary_metric import AccuracyFlag, Finding, MetricFlag, RatioFlag
from invarlock.gates.support import GateStatus, Support
from invarlock.reports.evaluation_report import EvaluationReport
from invarlock.reports.explain_settings import settings_of
from invarlock.reports.explanation import Comparison, GateExplanation, Relation
from invarlock.reports.number_text import apart, number

UNJUDGED = "Not judged: the losses of a model could not be measured."


def explain_metric(report: EvaluationReport) -> GateExplanation:
    """``primary_metric_acceptable``: the perplexity's ratio or the accuracy's change, against its limit."""
    gate = report.primary_metric_gate
    section = "metrics.accuracy" if report.terms.metric.value == "accuracy" else "metrics.pm_ratio"
    acceptable = report.validation.primary_metric_acceptable
    title = f"Primary Metric ({report.terms.metric.value})"
    settings = settings_of(report, section, "metrics.sampling")
    if gate is None:
        return GateExplanation(
            flag="primary_metric_acceptable",
            title=title,
            status=GateStatus.ENFORCED,
            acceptable=acceptable,
            finding=UNJUDGED,
            judged=False,
            settings=settings,
        )
    if isinstance(gate, RatioFlag):
        finding, comparisons, unit = _ratio_finding(gate), _ratio_comparisons(gate), "tokens"
    else:
        finding, comparisons, unit = _accuracy_finding(gate), _accuracy_comparisons(gate), "final windows"
    return GateExplanation(
        flag="primary_metric_acceptable",
        title=title,
        status=gate.status,
        acceptable=acceptable,
        finding=" ".join([finding, *_underpowered(report, gate, unit)]),
        comparisons=(*comparisons, _evidence(gate.evidence, unit)),
        settings=settings,
    )


def _ratio_finding(gate: RatioFlag) -> str:
    ratio, upper = gate.ratio_vs_baseline, gate.display_ci[1]
    says = f"The perplexity is {apart(ratio, gate.limit)[0]} times the baseline's"
    reach = apart(upper, gate.limit)[0]
    slack = f"{number(gate.policy.ratio_limit_base)} and hysteresis {number(gate.policy.hysteresis_ratio)}"
    match gate.finding:
        case Finding.RATIO_ABOVE_LIMIT:
            return f"{says}, above the limit {number(gate.limit)} ({slack})."
        case Finding.CI_ABOVE_LIMIT:
            return (
                f"{says}, but its interval reaches {reach}, above the limit {number(gate.limit)} ({slack}): "
                "these windows do not show that the edit stays within it."
            )
        case Finding.WITHIN_HYSTERESIS:
            return f"{says}, its interval reaches {reach}: within the limit by hysteresis alone ({slack})."
        case _:
            return f"{says}, its interval reaches {reach}; up to {number(gate.policy.ratio_limit_base)} is allowed."


def _ratio_comparisons(gate: RatioFlag) -> tuple[Comparison, ...]:
    policy = gate.policy
    note = f"{number(policy.ratio_limit_base)} and hysteresis {number(policy.hysteresis_ratio)}"
    return tuple(
        Comparison(
            what=what,
            value=value,
            interval=interval,
            relation=Relation.AT_MOST,
            limit=gate.limit,
            holds=value <= gate.limit,
            note=note if interval else "",
        )
        for what, value, interval in (
            ("ratio to the baseline", gate.ratio_vs_baseline, gate.display_ci),
            ("upper end of its interval", gate.display_ci[1], None),
        )
    )


def _accuracy_finding(gate: AccuracyFlag) -> str:
    delta, limit = apart(gate.delta_pp, gate.limit)
    says = f"The accuracy changed by {delta} percentage points"
    slack = f"{number(gate.policy.delta_min_pp)} less hysteresis {number(gate.policy.hysteresis_delta_pp)}"
    match gate.finding:
        case Finding.DELTA_BELOW_LIMIT:
            return f"{says}, below the limit {limit} ({slack})."
        case Finding.WITHIN_HYSTERESIS:
            return f"{says}: within the limit by hysteresis alone ({slack})."
        case _:
            return f"{says}; no less than {number(gate.policy.delta_min_pp)} is allowed."


def _accuracy_comparisons(gate: AccuracyFlag) -> tuple[Comparison, ...]:
    return (
        Comparison(
            what="change of accuracy, points",
            value=gate.delta_pp,
            interval=gate.display_ci,
            relation=Relation.AT_LEAST,
            limit=gate.limit,
            holds=gate.delta_pp >= gate.limit,
            note="the interval is shown and does not count",
        ),
    )


def _evidence(evidence: Support, unit: str) -> Comparison:
    return Comparison(
        what=f"evidence, {unit}",
        value=evidence.seen,
        relation=Relation.AT_LEAST,
        limit=evidence.floor,
        holds=evidence.status is GateStatus.ENFORCED,
        note=f"of {number(evidence.available)} in the data set",
    )


def _underpowered(report: EvaluationReport, gate: MetricFlag, unit: str) -> list[str]:
    if gate.status is not GateStatus.UNDERPOWERED:
        return []
    seen, floor = number(gate.evidence.seen), number(gate.evidence.floor)
    strict = report.terms.assurance is Assurance.STRICT
    refused = ", which strict assurance does not accept" if strict else ""
    return [f"It rests on {seen} {unit}, fewer than the floor of {floor}, so it decides nothing{refused}."]
