"""Drift caps as tolerance limits of a benign population (``--cap-rule tolerance``, design page 5).

The promise is about one population: a fresh harmless edit that changes a baseline's weights, where the
baseline is drawn from those pooled, in proportion to its runs in the bound. It says nothing about other
baselines, nor about each one by itself. It rests on independent draws, and pooled baselines' runs are
independent because :func:`invarlock.edits.benign.benign_edit` draws anew for each baseline: were one seed's
edit the same on near copies of a model, n seeds on k of them would be n draws and not n k.

A run warns when any drift statistic of any family is above its cap, so one number must be bounded per run:
the joint statistic T = max over families and statistics of (largest value in the run / scale). Scales come
from the first few runs alone, taken from each baseline in turn, and T from the others, so T of the others and
of a fresh run are independent, whatever the dependence between families. (Baselines' fixed shares among the
others, instead of a draw each time, only tighten the count of runs above a quantile: Hoeffding (1956), Annals
of Mathematical Statistics 27(3), 713-721.) The order statistic that bounds the (1
- target) quantile of T with 95 % confidence, times the scales, gives caps that a fresh run of the population
exceeds no more often than the target, with that confidence
(:func:`invarlock.stats.exact.quantile_upper_bound`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_CEILING, Context
from itertools import chain, zip_longest

from invarlock.calibration.null_reports import DriftMaxima, NullObservation
from invarlock.errors import ConfigError, DataError
from invarlock.families import Family
from invarlock.record import Record
from invarlock.stats.exact import clean_runs_needed, quantile_upper_bound

CONFIDENCE = 0.95
MOST_SCALE_RUNS = 20
DIGITS = 4  # significant digits of a cap, rounded up
_Cell = tuple[Family, str]  # family and drift statistic
_Run = Mapping[_Cell, float]


class DriftCapRecommendation(Record):
    """Drift caps and what they rest on.

    caps: family to statistic (log_sigma, relative_change, edit_edge) to cap; supported: whether the claim in
    ``statement`` holds, else the caps are the largest values seen; n_runs: distinct runs; n_scale: of them,
    those that set the scales; n_needed: the fewest distinct runs that support ``target``; rank: of the order
    statistic.
    """

    caps: Mapping[Family, Mapping[str, float]]
    supported: bool
    target: float
    confidence: float
    n_runs: int
    n_scale: int
    n_needed: int
    rank: int | None
    statement: str


def recommend_drift_caps(runs: Sequence[NullObservation], *, target: float) -> DriftCapRecommendation:
    """Caps on drift from runs on benign edits, each baseline's in the order they were drawn.

    The runs' edits must be independent draws, between baselines too. The promise is about a fresh harmless
    edit of a baseline drawn from those of the runs, in proportion to them; see the top of this module.

    Runs whose weights are the baseline's or an earlier run's are left out: they are no further draw.
    Caps are rounded up, away from warning. ``target`` is the share of fresh benign runs that may warn.

    Raises ConfigError on a target outside (0, 1), DataError when no run has drift or their families differ.
    """
    if not 0 < target < 1:
        raise ConfigError(
            f"target warning rate {target} is not inside (0, 1)",
            where="--target-any-warning-rate",
            fix="tolerance caps need a rate such as 0.01",
        )
    population = _population(runs)
    n_scale = scale_runs(len(population))
    scales = _scales(population[:n_scale])
    joint = [_joint(run, scales) for run in population[n_scale:]]
    bound = quantile_upper_bound(joint, 1 - target, confidence=CONFIDENCE)
    if bound.value is None:
        caps = {cell: max(run[cell] for run in population) for cell in scales}
    else:
        caps = {cell: bound.value * scale for cell, scale in scales.items()}
    needed = runs_needed(target)
    return DriftCapRecommendation(
        caps=_by_family(caps),
        supported=bound.supported,
        target=target,
        confidence=CONFIDENCE,
        n_runs=len(population),
        n_scale=n_scale,
        n_needed=needed,
        rank=bound.rank,
        statement=_statement(len(population), needed, target, supported=bound.supported),
    )


def scale_runs(n: int) -> int:
    """How many of ``n`` runs set the scales: a quarter, at most 20.

    One factor widens every cap, so a family that none of these runs moved much would widen them all: of 7 runs that
    happened, by a factor of 14.
    """
    return min(MOST_SCALE_RUNS, math.ceil(n / 4))


def runs_needed(target: float) -> int:
    """The fewest distinct runs that support a cap for ``target``, those for the scales included.

    >>> runs_needed(0.01), runs_needed(0.05)
    (319, 79)
    """
    clean = clean_runs_needed(target, confidence=CONFIDENCE)
    return next(n for n in range(clean + 1, clean + MOST_SCALE_RUNS + 1) if n - scale_runs(n) >= clean)


def round_up(value: float) -> float:
    """The smallest number of 4 significant digits that is not below ``value``.

    >>> round_up(1.02341), round_up(1.023)
    (1.024, 1.023)
    """
    return max(value, float(Context(prec=DIGITS, rounding=ROUND_CEILING).create_decimal(repr(value))))


def _population(runs: Sequence[NullObservation]) -> list[_Run]:
    population = [_cells(run.max_drift) for run in _in_turn(_distinct(runs))]
    if not population:
        raise DataError("no run has moved from its baseline", fix="run the sweep with --null benign")
    if len({frozenset(run) for run in population}) > 1:
        raise DataError(
            "runs differ in the families they measured", fix="calibrate one architecture at a time"
        )
    return population


def _distinct(runs: Sequence[NullObservation]) -> list[NullObservation]:
    first: dict[str | None, NullObservation] = {}
    for run in runs:
        if run.max_drift and not run.unchanged:
            first.setdefault(run.weights, run)
    return list(first.values())


def _in_turn(runs: Sequence[NullObservation]) -> Iterable[NullObservation]:
    """The first run of each baseline, then the second of each, and so on."""
    by_baseline: dict[str | None, list[NullObservation]] = {}
    for run in runs:
        by_baseline.setdefault(run.baseline, []).append(run)
    turns = zip_longest(*by_baseline.values())
    return (run for run in chain.from_iterable(turns) if run is not None)


def _cells(drift: Mapping[Family, DriftMaxima]) -> _Run:
    return {(family, kind): value for family, kinds in drift.items() for kind, value in kinds.items()}


def _scales(runs: Sequence[_Run]) -> dict[_Cell, float]:
    """Largest value of each cell; a cell that never moved takes its statistic's largest in any family."""
    largest = {cell: max(run[cell] for run in runs) for cell in runs[0]}
    of_kind: dict[str, float] = {}
    for (_, kind), value in largest.items():
        of_kind[kind] = max(value, of_kind.get(kind, 0.0))
    still = [kind for kind, value in of_kind.items() if value == 0.0]
    if still:
        raise DataError(f"{still[0]} is 0 in every run that sets the scales", fix="use more seeds")
    return {cell: value or of_kind[cell[1]] for cell, value in largest.items()}


def _joint(run: _Run, scales: Mapping[_Cell, float]) -> float:
    return max(value / scales[cell] for cell, value in run.items())


def _by_family(caps: Mapping[_Cell, float]) -> dict[Family, dict[str, float]]:
    table: dict[Family, dict[str, float]] = {}
    for (family, kind), value in sorted(caps.items()):
        table.setdefault(family, {})[kind] = round_up(value)
    return table


def _statement(n: int, needed: int, target: float, *, supported: bool) -> str:
    if supported:
        return (
            f"From {n} distinct benign runs: with 95 % confidence no more than {target:.3g} of fresh ones, "
            "on the baselines of these runs in their proportion, have any drift above its cap."
        )
    return (
        f"{n} distinct benign runs cannot bound a rate of {target:.3g}; {needed} can, those for the "
        "scales included. The caps are the largest drift seen."
    )
