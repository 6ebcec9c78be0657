"""Tail, drift and spike, explained: what the edit does from window to window."""

from __future__ import annotations

import math

from invarlock.gates.preview_drift import DriftFlag
from invarlock.gates.support import GateStatus
from invarlock.gates.tail import TailFlag
from invarlock.reports.evaluation_report import EvaluationReport
from invarlock.reports.explain_metric import UNJUDGED
from invarlock.reports.explain_settings import settings_of
from invarlock.reports.explanation import Comparison, GateExplanation, Relation
from invarlock.reports.number_text import counted, number

_OVERFLOW = 700.0  # nats; exp of more is no float


def explain_tail(report: EvaluationReport) -> GateExplanation:
    """``primary_metric_tail_acceptable``: the windows that the edit harms most."""
    tail = report.primary_metric_tail
    return GateExplanation(
        flag="primary_metric_tail_acceptable",
        title="Primary Metric Tail (ΔlogNLL)",
        status=GateStatus.ENFORCED if tail is None else tail.status,
        acceptable=report.validation.primary_metric_tail_acceptable,
        finding=UNJUDGED if tail is None else _tail_finding(tail),
        judged=tail is not None,
        comparisons=() if tail is None else _tail_comparisons(tail),
        settings=settings_of(report, "metrics.pm_tail"),
    )


def _tail_finding(tail: TailFlag) -> str:
    stats, windows = tail.stats, counted(tail.stats.windows, "final window")
    match tail.status:
        case GateStatus.OFF:
            return f"Not looked for: the policy's mode is {tail.policy.mode.value}."
        case GateStatus.UNDERPOWERED:
            return f"Not judged: {windows}, fewer than the {tail.policy.min_windows} that a tail needs."
    says = f"The worst of {windows} lost {number(stats.largest)} nats per token against the baseline"
    if not tail.violations:
        return f"{says}; quantile and tail mass are within their limits."
    told = "this fails" if tail.status is GateStatus.ENFORCED else "this is recorded and fails nothing"
    return f"{says}; the tail is beyond its limits, and in mode {tail.policy.mode.value} {told}."


def _tail_comparisons(tail: TailFlag) -> tuple[Comparison, ...]:
    stats, policy = tail.stats, tail.policy
    return (
        Comparison(
            what=f"{policy.quantile:g} quantile of ΔlogNLL",
            value=stats.quantile_value,
            relation=Relation.AT_MOST,
            limit=policy.quantile_max,
            holds=stats.quantile_value <= policy.quantile_max,
        ),
        Comparison(
            what=f"share of windows above {policy.epsilon:g}",
            value=stats.tail_mass,
            relation=Relation.AT_MOST,
            limit=policy.mass_max,
            holds=stats.tail_mass <= policy.mass_max,
        ),
        Comparison(
            what="windows",
            value=stats.windows,
            relation=Relation.AT_LEAST,
            limit=policy.min_windows,
            holds=stats.windows >= policy.min_windows,
        ),
    )


def explain_drift(report: EvaluationReport) -> GateExplanation:
    """``preview_final_drift_acceptable``: the edit does the same on preview and final windows."""
    drift = report.preview_final_drift
    flag, title = "preview_final_drift_acceptable", "Preview/Final Drift"
    acceptable = report.validation.preview_final_drift_acceptable
    if drift is None:
        return GateExplanation(
            flag=flag,
            title=title,
            status=GateStatus.ENFORCED,
            acceptable=acceptable,
            finding=UNJUDGED,
            judged=False,
        )
    return GateExplanation(
        flag=flag,
        title=title,
        status=drift.status,
        acceptable=acceptable,
        finding=_drift_finding(drift),
        comparisons=_drift_comparisons(drift),
    )


def _drift_finding(drift: DriftFlag) -> str:
    ours, theirs = (
        "undefined" if each is None else number(each) for each in (drift.drift, drift.baseline_drift)
    )
    weak = drift.status is GateStatus.UNDERPOWERED
    return (
        f"Final over preview is {ours} for the subject and {theirs} for the baseline; the one over the other is "
        f"{'within' if drift.within else 'outside'} the band."
        f"{' It rests on what the primary metric rests on, which is too little to decide anything.' if weak else ''}"
    )


def _drift_comparisons(drift: DriftFlag) -> tuple[Comparison, ...]:
    if drift.relative_drift is None:
        return ()
    return (
        Comparison(
            what="drift over the baseline's",
            value=drift.relative_drift,
            relation=Relation.WITHIN,
            limit=(drift.lowest, drift.highest),
            holds=drift.within,
            note="the band is fixed",
        ),
    )


def explain_spike(report: EvaluationReport) -> GateExplanation:
    """The spike that aborts: not a flag of ``validation``."""
    spike = report.spike
    title = "Spike"
    if spike is None:
        return GateExplanation(
            flag="spike",
            title=title,
            status=GateStatus.ENFORCED,
            acceptable=False,
            finding=UNJUDGED,
            judged=False,
        )
    ratio = number(math.exp(spike.mean_delta)) if spike.mean_delta < _OVERFLOW else "more than any number"
    says = (
        f"The mean loss changed by {number(spike.mean_delta)} nats per token, a perplexity ratio of {ratio}"
    )
    limit = math.log(spike.ratio_limit)
    return GateExplanation(
        flag="spike",
        title=title,
        status=GateStatus.ENFORCED,
        acceptable=not spike.spiked,
        finding=f"{says}: {'the model is ruined, and nothing else is worth judging' if spike.spiked else 'no spike'}.",
        comparisons=(
            Comparison(
                what="mean ΔlogNLL, nats per token",
                value=spike.mean_delta,
                relation=Relation.AT_MOST,
                limit=limit,
                holds=not spike.spiked,
                note=f"a ratio of {number(spike.ratio_limit)}; fixed",
            ),
        ),
    )
