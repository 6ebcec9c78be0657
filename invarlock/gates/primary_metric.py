"""``validation.primary_metric_acceptable``: the mean loss or the accuracy against the baseline's (design page 3)."""

from __future__ import annotations

from enum import StrEnum

from invarlock.gates.support import GateStatus, Support, weigh_support
from invarlock.metrics.accuracy import AccuracyMetric
from invarlock.metrics.paired_ratio import PairedRatio
from invarlock.policy.metrics import AccuracyGate, RatioGate
from invarlock.record import Record


class Finding(StrEnum):
    """What a comparison with the limit says, whether it is enforced or not."""

    WITHIN_LIMIT = "within_limit"
    WITHIN_HYSTERESIS = "within_hysteresis"
    RATIO_ABOVE_LIMIT = "ratio_above_limit"
    CI_ABOVE_LIMIT = "ci_above_limit"
    DELTA_BELOW_LIMIT = "delta_below_limit"

    @property
    def good(self) -> bool:
        """Within the limit, with or without its slack."""
        return self in (Finding.WITHIN_LIMIT, Finding.WITHIN_HYSTERESIS)


class MetricFlag(Record):
    """acceptable: the flag, false only where a bad finding is enforced; limit: the policy's with its slack.

    hysteresis_applied: the flag is true by the slack alone.
    """

    acceptable: bool
    status: GateStatus
    finding: Finding
    hysteresis_applied: bool
    limit: float
    evidence: Support


class RatioFlag(MetricFlag):
    """Of a perplexity: its ratio, 95 % interval and policy. Evidence in predicted tokens, preview and final."""

    ratio_vs_baseline: float
    display_ci: tuple[float, float]
    policy: RatioGate


class AccuracyFlag(MetricFlag):
    """Of an accuracy: its change and interval, percentage points, and policy. Evidence in final windows."""

    delta_pp: float
    display_ci: tuple[float, float]
    policy: AccuracyGate


def judge_ratio(ratio: PairedRatio, *, tokens: int, available: int, policy: RatioGate) -> RatioFlag:
    """Ratio and upper end of its interval <= ratio_limit_base, or both <= it + hysteresis_ratio.

    tokens: predicted in preview and final together; available: in all windows of the data set. DataError when
    tokens > available.
    """
    evidence = weigh_support(tokens, available, minimum=policy.min_tokens, fraction=policy.min_token_fraction)
    limit = policy.ratio_limit_base + policy.hysteresis_ratio
    finding = _weigh_ratio(ratio.ratio_vs_baseline, ratio.display_ci[1], policy.ratio_limit_base, limit)
    return RatioFlag(
        acceptable=_acceptable(finding, evidence),
        status=evidence.status,
        finding=finding,
        hysteresis_applied=_by_slack(finding, evidence),
        limit=limit,
        evidence=evidence,
        ratio_vs_baseline=ratio.ratio_vs_baseline,
        display_ci=ratio.display_ci,
        policy=policy,
    )


def judge_accuracy(metric: AccuracyMetric, *, available: int, policy: AccuracyGate) -> AccuracyFlag:
    """delta >= delta_min_pp, or >= delta_min_pp - hysteresis_delta_pp; its interval is shown and does not count.

    available: windows of the data set. DataError when the metric rests on more.
    """
    evidence = weigh_support(
        metric.examples, available, minimum=policy.min_examples, fraction=policy.min_examples_fraction
    )
    limit = policy.delta_min_pp - policy.hysteresis_delta_pp
    finding = _weigh_delta(metric.delta_pp, policy.delta_min_pp, limit)
    return AccuracyFlag(
        acceptable=_acceptable(finding, evidence),
        status=evidence.status,
        finding=finding,
        hysteresis_applied=_by_slack(finding, evidence),
        limit=limit,
        evidence=evidence,
        delta_pp=metric.delta_pp,
        display_ci=metric.display_ci,
        policy=policy,
    )


def _weigh_ratio(ratio: float, upper: float, base: float, limit: float) -> Finding:
    if ratio > limit:
        return Finding.RATIO_ABOVE_LIMIT
    if upper > limit:
        return Finding.CI_ABOVE_LIMIT
    return Finding.WITHIN_LIMIT if max(ratio, upper) <= base else Finding.WITHIN_HYSTERESIS


def _weigh_delta(delta: float, least: float, limit: float) -> Finding:
    if delta < limit:
        return Finding.DELTA_BELOW_LIMIT
    return Finding.WITHIN_LIMIT if delta >= least else Finding.WITHIN_HYSTERESIS


def _acceptable(finding: Finding, evidence: Support) -> bool:
    return finding.good or evidence.status is GateStatus.UNDERPOWERED


def _by_slack(finding: Finding, evidence: Support) -> bool:
    return finding is Finding.WITHIN_HYSTERESIS and evidence.status is GateStatus.ENFORCED
