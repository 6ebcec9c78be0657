"""Caps and alpha of the spectral guard from null runs (design page 5, seed 001): reports in, summary out."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

from invarlock.calibration.alike import check_baselines, check_same, check_tier
from invarlock.calibration.null_alpha import choose_alpha
from invarlock.calibration.null_evidence import weigh_evidence
from invarlock.calibration.null_records import (
    FamilyCheck,
    Fixed,
    MultipleTestingSetting,
    NullSummary,
    Observed,
    Recommendations,
)
from invarlock.calibration.null_reports import NullObservation, read_observation
from invarlock.errors import ConfigError, DataError
from invarlock.families import Family
from invarlock.stats.tails import two_sided_p


def summarize_null_sweep_reports(
    reports: Sequence[Mapping[str, object]],
    *,
    tier: str,
    safety_margin: float = 0.05,
    target_any_warning_rate: float = 0.01,
    pool: Collection[str] | None = None,
) -> dict[str, object]:
    """Summarize the null runs of one tier as plain JSON; :func:`summarize_null_runs` gives the record.

    Parameters
    ----------
    reports: run reports as parsed JSON.
    tier: all reports that name a tier must name this one.
    safety_margin: kappa = round(largest |z| x (1 + safety_margin), 3).
    target_any_warning_rate: share of null runs that may warn before alpha is lowered.
    pool: digests of related baselines that are pooled on purpose; without it the reports must share one
        baseline.

    Raises
    ------
    ConfigError: a margin or rate out of range.
    DataError: no usable report, or reports that mix tiers, baselines, corrections or fixed policy.
    """
    observations = tuple(read_observation(report, position) for position, report in enumerate(reports))
    summary = summarize_null_runs(
        observations,
        tier=tier,
        safety_margin=safety_margin,
        target_any_warning_rate=target_any_warning_rate,
        pool=pool,
    )
    return summary.model_dump(mode="json")


def summarize_null_runs(
    observations: Sequence[NullObservation | None],
    *,
    tier: str,
    safety_margin: float = 0.05,
    target_any_warning_rate: float = 0.01,
    pool: Collection[str] | None = None,
) -> NullSummary:
    """Summarize null runs; a None stands for a run without the guard. See
    :func:`summarize_null_sweep_reports`."""
    _check_settings(safety_margin, target_any_warning_rate)
    runs = tuple(run for run in observations if run is not None)
    if not runs:
        raise DataError(
            f"none of {len(observations)} reports carries the spectral guard",
            where=f"tier {tier}",
            fix="run the null sweep first",
        )
    _check_alike(runs, tier, pool)
    observed = _observe(runs)
    caps = {family: round(z * (1 + safety_margin), 3) for family, z in observed.family_max_z.items()}
    choice = choose_alpha(runs, observed_rate=observed.any_warning_rate, target=target_any_warning_rate)
    return NullSummary(
        tier=tier,
        n_runs=len(observations),
        n_missing=len(observations) - len(runs),
        observed=observed,
        recommendations=Recommendations(
            family_caps=caps,
            multiple_testing=MultipleTestingSetting(method=runs[0].method, alpha=choice.alpha, m=runs[0].m),
        ),
        alpha_target_met=choice.target_met,
        replayed_rate=choice.replayed_rate,
        fixed=Fixed.model_validate(runs[0].fixed.model_dump()),
        cross_check=_cross_check(runs, caps),
        evidence=weigh_evidence(runs, target=target_any_warning_rate),
    )


def family_budget(max_caps: int, modules: float, total: float) -> int:
    """One family's share of the warning budget: floor(B n_f / M + 0.5), and no less than 1 (seed 001).

    The seed's formula gives 0 for its embed example (8 of 120 modules), its text says 1: a family that exists
    may warn once.

    >>> [family_budget(5, n, 120) for n in (40, 40, 8, 32)]
    [2, 2, 1, 1]
    """
    return max(1, math.floor(max_caps * modules / total + 0.5)) if modules else 0


def _check_settings(margin: float, target: float) -> None:
    if not (math.isfinite(margin) and margin >= 0):
        raise ConfigError(f"safety margin {margin} is not a number >= 0", fix="use a share such as 0.05")
    if not 0 <= target <= 1:
        raise ConfigError(f"target warning rate {target} is not in [0, 1]", fix="use a share such as 0.01")


def _check_alike(runs: Sequence[NullObservation], tier: str, pool: Collection[str] | None) -> None:
    check_tier((run.tier for run in runs), tier)
    check_same("multiple_testing", ((run.method.value, run.alpha, run.m) for run in runs))
    check_same("policy", (run.fixed for run in runs))
    check_baselines((run.baseline for run in runs), pool)


def _observe(runs: Sequence[NullObservation]) -> Observed:
    selected: dict[Family, int] = {}
    candidates: dict[Family, int] = {}
    largest: dict[Family, float] = {}
    for run in runs:
        for family in run.selected:
            selected[family] = selected.get(family, 0) + 1
        for family, count in run.candidates.items():
            if count:
                candidates[family] = candidates.get(family, 0) + count
        for family, z in run.max_z.items():
            largest[family] = max(z, largest.get(family, z))
    return Observed(
        any_warning_rate=sum(run.warns for run in runs) / len(runs),
        selected_by_family_runs=dict(sorted(selected.items())),
        candidate_violations_by_family_total=dict(sorted(candidates.items())),
        family_max_z=dict(sorted(largest.items())),
    )


def _cross_check(runs: Sequence[NullObservation], caps: Mapping[Family, float]) -> dict[Family, FamilyCheck]:
    counts = {family: sum(run.modules.get(family, 0) for run in runs) for family in caps}
    total, max_caps = sum(counts.values()), runs[0].fixed.max_caps
    checks: dict[Family, FamilyCheck] = {}
    for family, kappa in caps.items():
        modules, tail = counts[family] / len(runs), two_sided_p(kappa)
        checks[family] = FamilyCheck(
            modules=modules,
            share=counts[family] / total if total else 0.0,
            budget=None if max_caps is None else family_budget(max_caps, counts[family], total),
            modeled_tail=tail,
            expected_candidates=tail * modules,
        )
    return checks
