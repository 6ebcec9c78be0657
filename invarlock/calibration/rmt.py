"""epsilon of the RMT guard from null runs (design page 5, seed 001): reports in, summary out."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from invarlock.calibration.alike import check_baselines, check_same, check_tier
from invarlock.calibration.rmt_bounds import bound_deltas, deltas_of, describe_deltas, draws_of
from invarlock.calibration.rmt_evidence import weigh_rmt_evidence
from invarlock.calibration.rmt_records import FamilyBound, RmtObserved, RmtRecommendations, RmtSummary
from invarlock.calibration.rmt_reports import RmtObservation, read_rmt_observation
from invarlock.calibration.rmt_request import LARGEST_QUANTILE, LEAST_QUANTILE
from invarlock.calibration.round_up import round_up_to_micro
from invarlock.errors import ConfigError, DataError
from invarlock.families import Family


def summarize_rmt_sweep_reports(
    reports: Sequence[Mapping[str, object]],
    *,
    tier: str,
    quantile: float = 0.95,
    safety_margin: float = 0.0,
    pool: Collection[str] | None = None,
) -> dict[str, object]:
    """Summarize the null runs of one tier as plain JSON; :func:`summarize_rmt_runs` gives the record.

    Parameters
    ----------
    reports: run reports as parsed JSON, with the guards[] entry ``rmt``: of an RMT sweep, or of evaluations of
        harmless edits.
    tier: all reports that name a tier must name this one.
    quantile: of delta = r_cur / r_base - 1 that epsilon is to hold, in 0.95..0.99.
    safety_margin: epsilon = bound x (1 + safety_margin), rounded up to a multiple of 1e-6; never below 0.
    pool: digests of related baselines that are pooled on purpose; without it the reports must share one baseline.

    Raises
    ------
    ConfigError: a margin or quantile out of range.
    DataError: no usable report, or reports that mix tiers, baselines, bands, estimators, or redraw and paired runs.
    """
    observations = tuple(read_rmt_observation(report, position) for position, report in enumerate(reports))
    summary = summarize_rmt_runs(
        observations, tier=tier, quantile=quantile, safety_margin=safety_margin, pool=pool
    )
    return summary.model_dump(mode="json")


def summarize_rmt_runs(
    observations: Sequence[RmtObservation | None],
    *,
    tier: str,
    quantile: float = 0.95,
    safety_margin: float = 0.0,
    pool: Collection[str] | None = None,
) -> RmtSummary:
    """Summarize null runs; a None stands for a run without the guard. See :func:`summarize_rmt_sweep_reports`."""
    _check_settings(quantile, safety_margin)
    runs = tuple(run for run in observations if run is not None)
    _check_alike(runs, len(observations), tier, pool)
    draws = draws_of(runs)
    if not draws:
        raise DataError(
            f"none of {len(runs)} runs could vary: each is a model against itself on the same windows",
            where=f"tier {tier}",
            fix="run the RMT sweep, which redraws the windows, or with --null benign edits the weights",
        )
    n_draws = sum(map(len, draws.values()))
    deltas = {family: found for family in Family if (found := deltas_of(draws, family))}
    observed = RmtObserved(
        beyond_band_rate=sum(bool(run.beyond) for run in runs) / len(runs),
        beyond_band_by_family_runs=dict(sorted(Counter(f for run in runs for f in run.beyond).items())),
        family_delta={f: describe_deltas(d, quantile, n_draws=n_draws) for f, d in deltas.items()},
    )
    bounds = {f: bound_deltas(deltas[f], quantile) for f, d in observed.family_delta.items() if d.varies}
    return RmtSummary(
        tier=tier,
        n_runs=len(observations),
        n_missing=len(observations) - len(runs),
        paired=runs[0].paired,
        quantile=quantile,
        safety_margin=safety_margin,
        observed=observed,
        recommendations=RmtRecommendations(epsilon_by_family=_epsilons(bounds, safety_margin)),
        evidence=weigh_rmt_evidence(
            draws,
            bounds,
            quantile=quantile,
            n_unvaried=sum(run.unvaried for run in runs),
            unvaried=tuple(f for f, d in observed.family_delta.items() if not d.varies),
        ),
    )


def _epsilons(bounds: Mapping[Family, FamilyBound], margin: float) -> dict[Family, float]:
    return {family: round_up_to_micro(max(0.0, bound.value), margin) for family, bound in bounds.items()}


def _check_settings(quantile: float, margin: float) -> None:
    if not LEAST_QUANTILE <= quantile <= LARGEST_QUANTILE:
        raise ConfigError(
            f"quantile {quantile} is not in {LEAST_QUANTILE}..{LARGEST_QUANTILE}", fix="use one such as 0.95"
        )
    if not (math.isfinite(margin) and margin >= 0):
        raise ConfigError(f"safety margin {margin} is not a number >= 0", fix="use a share such as 0.05")


def _check_alike(
    runs: Sequence[RmtObservation], n_reports: int, tier: str, pool: Collection[str] | None
) -> None:
    if not any(run.edges for run in runs):
        raise DataError(
            f"none of {n_reports} reports has an edge risk of baseline and current model",
            where=f"tier {tier}",
            fix="run the RMT sweep first",
        )
    check_tier((run.tier for run in runs), tier)
    check_same("null", ("paired" if run.paired else "redraw" for run in runs))
    check_same("band", ((run.epsilons, run.default) for run in runs))
    check_same("estimator", (run.contract for run in runs if run.edges))
    check_baselines((run.baseline for run in runs), pool)
