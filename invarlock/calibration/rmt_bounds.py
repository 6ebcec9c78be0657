"""epsilon of one family: an upper bound of a quantile of delta, whatever its distribution (design page 5, seed 001).

Draws are independent within a baseline: a seed draws windows, and an edit, for itself. Two baselines look at the same
windows of a seed, so theirs are not, and more baselines are no more draws. Each baseline is bounded by itself and the
largest bound counts: with U_b the bound and Q_b the quantile of baseline b, and c the baseline of the largest quantile,
P(max U < max Q) <= P(U_c < Q_c) <= 5 %, however baselines depend on each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from invarlock.calibration.rmt_records import FamilyBound, FamilyDelta
from invarlock.calibration.rmt_reports import RmtObservation
from invarlock.families import Family
from invarlock.stats.exact import clean_runs_needed, quantile_upper_bound

CONFIDENCE = 0.95
Deltas = Mapping[str | None, Sequence[float]]  # of one family, by baseline


def draws_of(runs: Iterable[RmtObservation]) -> dict[str | None, tuple[RmtObservation, ...]]:
    """By baseline, a run for each pair of weights and window sets, the first; none that could not vary."""
    found: dict[str | None, dict[object, RmtObservation]] = {}
    for run in runs:
        if not run.unvaried:
            found.setdefault(run.baseline, {}).setdefault((run.weights, run.windows), run)
    return {baseline: tuple(distinct.values()) for baseline, distinct in found.items()}


def deltas_of(draws: Mapping[str | None, Sequence[RmtObservation]], family: Family) -> Deltas:
    """The deltas of ``family``, by baseline, of those that have any."""
    found = {
        baseline: [run.edges[family].delta for run in runs if family in run.edges]
        for baseline, runs in draws.items()
    }
    return {baseline: deltas for baseline, deltas in found.items() if deltas}


def describe_deltas(deltas: Deltas, q: float, *, n_draws: int) -> FamilyDelta:
    """Counts and quantiles of one family's deltas, at least one, out of ``n_draws`` runs."""
    every = [delta for some in deltas.values() for delta in some]
    return FamilyDelta(
        n=min(map(len, deltas.values())),
        n_skipped=n_draws - len(every),
        smallest=min(every),
        quantile=max(float(np.quantile(some, q)) for some in deltas.values()),
        largest=max(every),
        varies=any(delta != 0 for delta in every),
    )


def bound_deltas(deltas: Deltas, q: float) -> FamilyBound:
    """The bound of one family's ``q`` quantile: the largest of its baselines' order statistics.

    The largest delta of all where some baseline has too few for one; see :func:`quantile_upper_bound`.
    """
    bounds = [quantile_upper_bound(some, q, confidence=CONFIDENCE) for some in deltas.values()]
    n = min(bound.n for bound in bounds)
    values = [bound.value for bound in bounds if bound.value is not None]
    if len(values) < len(bounds):
        largest = max(max(some) for some in deltas.values())
        return FamilyBound(value=largest, supported=False, rank=None, n=n, n_needed=runs_needed(q))
    ranks = {bound.rank for bound in bounds}
    return FamilyBound(
        value=max(values),
        supported=True,
        rank=ranks.pop() if len(ranks) == 1 else None,
        n=n,
        n_needed=runs_needed(q),
    )


def runs_needed(q: float) -> int:
    """The fewest independent runs whose largest delta bounds the ``q`` quantile.

    >>> runs_needed(0.95), runs_needed(0.99)
    (59, 299)
    """
    return clean_runs_needed(1 - q, confidence=CONFIDENCE)
