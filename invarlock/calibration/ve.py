"""``min_effect_lognll`` of variance equalization from VE runs (design page 4, seed 001): reports in, summary out."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from statistics import median

from invarlock.calibration.alike import check_baselines, check_same, check_tier
from invarlock.calibration.min_effect import count_passing
from invarlock.calibration.ve_evidence import weigh_ve_evidence
from invarlock.calibration.ve_power import most_windows, power_curve
from invarlock.calibration.ve_records import (
    MinEffectRule,
    RunGains,
    VeObserved,
    VeSummary,
)
from invarlock.calibration.ve_reports import VeObservation, read_ve_observation
from invarlock.calibration.ve_rules import recommend
from invarlock.errors import ConfigError, DataError


def summarize_ve_sweep_reports(
    reports: Sequence[Mapping[str, object]],
    *,
    tier: str,
    target_enable_rate: float = 0.05,
    safety_margin: float = 0.0,
    predictive_one_sided: bool = True,
    rule: MinEffectRule = MinEffectRule.TARGET_RATE,
    pool: Collection[str] | None = None,
) -> dict[str, object]:
    """Summarize the VE runs of one tier as plain JSON; :func:`summarize_ve_runs` gives the record.

    Parameters
    ----------
    reports: run reports as parsed JSON.
    tier: all reports that name a tier must name this one.
    target_enable_rate: share of the runs that may still be enabled.
    safety_margin: the value of either rule is multiplied by 1 + safety_margin, then rounded up to 6 decimals.
    predictive_one_sided: the tier's; all reports that name theirs must agree.
    rule: whose value is recommended; the summary holds both. Where no run has an interval the target rate's is 0
        (page 4) and there is no half-width: ``recommendations`` is null then.
    pool: digests of related baselines that are pooled on purpose; without it the reports must share one
        baseline.

    Raises
    ------
    ConfigError: a rate or margin out of range.
    DataError: no usable report, one that contradicts itself, or reports that mix tiers, baselines or policy.
    """
    observations = tuple(read_ve_observation(report, position) for position, report in enumerate(reports))
    summary = summarize_ve_runs(
        observations,
        tier=tier,
        target_enable_rate=target_enable_rate,
        safety_margin=safety_margin,
        predictive_one_sided=predictive_one_sided,
        rule=rule,
        pool=pool,
    )
    return summary.model_dump(mode="json")


def summarize_ve_runs(
    observations: Sequence[VeObservation | None],
    *,
    tier: str,
    target_enable_rate: float = 0.05,
    safety_margin: float = 0.0,
    predictive_one_sided: bool = True,
    rule: MinEffectRule = MinEffectRule.TARGET_RATE,
    pool: Collection[str] | None = None,
) -> VeSummary:
    """Summarize VE runs; a None stands for a run without the guard. See :func:`summarize_ve_sweep_reports`."""
    _check_settings(safety_margin, target_enable_rate)
    runs = tuple(run for run in observations if run is not None)
    if not runs:
        raise DataError(
            f"none of {len(observations)} reports carries the variance guard",
            where=f"tier {tier}",
            fix="run the VE sweep first",
        )
    _check_alike(runs, tier, predictive_one_sided, pool)
    gains = tuple(run.gain(one_sided=predictive_one_sided) for run in runs)
    curve = power_curve(runs, tier=tier, one_sided=predictive_one_sided)
    by_rule = recommend(gains, curve, target=target_enable_rate, margin=safety_margin)
    chosen = by_rule[rule]
    return VeSummary(
        tier=tier,
        n_runs=len(observations),
        n_missing=len(observations) - len(runs),
        one_sided=predictive_one_sided,
        target_enable_rate=target_enable_rate,
        safety_margin=safety_margin,
        observed=_observe(runs, gains),
        recommendations=chosen,
        by_rule=by_rule,
        half_width_windows=None if (widest := most_windows(curve)) is None else widest.windows,
        power_curve=curve,
        evidence=weigh_ve_evidence(runs, chosen, target=target_enable_rate, one_sided=predictive_one_sided),
    )


def _check_settings(margin: float, target: float) -> None:
    if not (math.isfinite(margin) and margin >= 0):
        raise ConfigError(f"safety margin {margin} is not a number >= 0", fix="use a share such as 0.05")
    if not 0 <= target <= 1:
        raise ConfigError(f"target enable rate {target} is not in [0, 1]", fix="use a share such as 0.05")


def _check_alike(
    runs: Sequence[VeObservation], tier: str, one_sided: bool, pool: Collection[str] | None
) -> None:
    check_tier((run.tier for run in runs), tier)
    check_baselines((run.baseline for run in runs), pool)
    check_same("predictive_one_sided", (run.one_sided for run in runs if run.one_sided is not None))
    check_same("min_effect_lognll", (run.min_effect for run in runs if run.min_effect is not None))
    check_same("ci_method", (run.ci_method for run in runs if run.ci_method is not None))
    if any(run.one_sided is (not one_sided) for run in runs):
        raise DataError(
            f"the reports have predictive_one_sided {not one_sided}, the summary was asked for {one_sided}",
            where=f"tier {tier}",
            fix="pass the sidedness that the tier's runs were judged by",
        )


def _observe(runs: Sequence[VeObservation], gains: Sequence[float]) -> VeObserved:
    n, enabled = len(runs), sum(run.passed for run in runs)
    reasons = Counter(run.reason for run in runs)
    return VeObserved(
        min_effect_lognll=next((run.min_effect for run in runs if run.min_effect is not None), None),
        enabled_runs=enabled,
        enable_rate=enabled / n,
        n_evaluated=sum(run.delta_ci is not None for run in runs),
        reasons={reason: count / n for reason, count in sorted(reasons.items())},
        gains=RunGains(
            values=tuple(sorted(gains)),
            n_positive=count_passing(gains, 0.0),
            min=min(gains),
            median=median(gains),
            max=max(gains),
        ),
    )
