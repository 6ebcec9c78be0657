"""What a VE sweep hands back to its caller: where everything is, and the table a person reads first."""

from __future__ import annotations

from pathlib import Path

from invarlock.calibration.change import Change, change_of
from invarlock.calibration.ve_plan import VeSweepPlan
from invarlock.calibration.ve_records import MinEffectRule, VeSummary
from invarlock.policy.keys import Relaxes
from invarlock.record import Record
from invarlock.reports.sweep_result import Links, SweepResult, common_result
from invarlock.reports.ve_sweep_files import PATCH, REPORT, SUMMARY
from invarlock.reports.ve_sweep_report import VeSweepReport


class MinEffectRow(Record):
    """One tier. Effects: nats per token; rates: shares of its runs, now and at the recommended value.

    min_effect: what the patch recommends; it, its change and the rates at it are None where nothing was measured and
    the tier is left out. supported: whether the runs show the target rate.
    """

    tier: str
    min_effect_now: float
    min_effect: float | None
    change: Change | None
    supported: bool
    rule: str
    target_rate: float | None
    half_width: float | None
    enable_rate_now: float
    enable_rate: float | None
    enable_rate_low: float | None
    enable_rate_high: float | None
    runs: int


class VeSweepResult(SweepResult):
    """A finished VE sweep. statements: by tier, what the runs show."""

    rows: tuple[MinEffectRow, ...]
    statements: dict[str, str]


def ve_result(out: Path, plan: VeSweepPlan, report: VeSweepReport, links: Links) -> VeSweepResult:
    """The result of a sweep published at ``out``."""
    return VeSweepResult(
        **common_result(out, plan, report, links, report=REPORT, summary=SUMMARY, patch=PATCH).model_dump(),
        rows=tuple(
            _row(summary, plan.policies[tier].policy.variance.min_effect_lognll, plan.rule)
            for tier in plan.tiers
            if (summary := report.summaries[tier.value])
        ),
        statements={tier: summary.evidence.statement for tier, summary in report.summaries.items()},
    )


def _row(summary: VeSummary, now: float, rule: MinEffectRule) -> MinEffectRow:
    chosen = summary.measured
    low, high = (None, None) if chosen is None else chosen.enable_rate_interval
    return MinEffectRow(
        tier=summary.tier,
        min_effect_now=now,
        min_effect=None if chosen is None else chosen.min_effect_lognll,
        change=None if chosen is None else change_of(now, chosen.min_effect_lognll, Relaxes.LOWERED),
        supported=summary.evidence.target_shown,
        rule=rule.value,
        target_rate=_value(summary, MinEffectRule.TARGET_RATE),
        half_width=_value(summary, MinEffectRule.HALF_WIDTH),
        enable_rate_now=summary.observed.enable_rate,
        enable_rate=None if chosen is None else chosen.expected_enable_rate,
        enable_rate_low=low,
        enable_rate_high=high,
        runs=summary.n_runs,
    )


def _value(summary: VeSummary, rule: MinEffectRule) -> float | None:
    advice = summary.by_rule[rule]
    return None if advice is None else advice.min_effect_lognll
