"""The alpha that would have kept the null runs quiet: a bounded walk down, replayed on stored p-values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from invarlock.calibration.null_reports import NullObservation
from invarlock.stats.multiple_testing import select

FLOOR = 1e-6
TERMS = 20


@dataclass(frozen=True)
class AlphaChoice:
    """The recommended alpha, the share of runs that it selects a family in, and whether the target is met."""

    alpha: float
    replayed_rate: float
    target_met: bool


def choose_alpha(runs: Sequence[NullObservation], *, observed_rate: float, target: float) -> AlphaChoice:
    """Keep alpha while the observed warning rate is within ``target``; else take the first of the grid that
    is.

    Runs share one method, alpha and m. When no alpha of the grid meets the target, alpha is kept and
    target_met is False: then lowering alpha is not the cure (caps are, or the null is no null).
    """
    current = runs[0].alpha
    if observed_rate <= target:
        return AlphaChoice(alpha=current, replayed_rate=_replayed_rate(runs, current), target_met=True)
    for alpha in alpha_grid(current):
        rate = _replayed_rate(runs, alpha)
        if rate <= target:
            return AlphaChoice(alpha=alpha, replayed_rate=rate, target_met=True)
    return AlphaChoice(alpha=current, replayed_rate=_replayed_rate(runs, current), target_met=False)


def alpha_grid(alpha: float) -> Iterator[float]:
    """alpha, alpha/2, alpha/4, ... at most 20 terms and none below 1e-6, then 1e-6; never above ``alpha``.

    >>> list(alpha_grid(3e-6))
    [3e-06, 1.5e-06, 1e-06]
    """
    term = alpha
    for k in range(TERMS):
        term = alpha / 2**k
        if k > 0 and term < FLOOR:
            break
        yield term
    if alpha > FLOOR and term != FLOOR:
        yield FLOOR


def _replayed_rate(runs: Sequence[NullObservation], alpha: float) -> float:
    selecting = sum(bool(select(run.p_values, method=run.method, alpha=alpha, m=run.m)) for run in runs)
    return selecting / len(runs)
