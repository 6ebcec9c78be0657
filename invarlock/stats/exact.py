"""Exact, distribution-free statements about rates and quantiles from n independent runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import stats


def clopper_pearson(events: int, n: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Two-sided Clopper-Pearson interval of a rate, from ``events`` in ``n`` independent runs.

    References: Clopper and Pearson (1934), Biometrika 26(4), 404-413.
    """
    interval = stats.binomtest(events, n).proportion_ci(confidence_level=confidence, method="exact")
    return float(interval.low), float(interval.high)


def clean_runs_needed(rate: float, *, confidence: float = 0.95) -> int:
    """The fewest independent runs, all clean, that show a rate <= ``rate`` with ``confidence``.

    The smallest n with (1 - rate)^n <= 1 - confidence. Raises ValueError unless both lie inside (0, 1).

    >>> clean_runs_needed(0.01), clean_runs_needed(0.05)
    (299, 59)
    """
    _check_open(rate, "rate")
    _check_open(confidence, "confidence")
    # In logarithms: 1 - rate loses a rate near 1e-16 altogether.
    n = max(1, math.floor(math.log1p(-confidence) / math.log1p(-rate)))
    while n * math.log1p(-rate) > math.log1p(-confidence):
        n += 1
    return n


@dataclass(frozen=True)
class QuantileBound:
    """An upper confidence bound of a quantile.

    value: the order statistic that is the bound, None when n is too small to support any; rank: of it among
    the n values, 1 the smallest; n: values seen; n_needed: the fewest values that support a bound.
    """

    value: float | None
    rank: int | None
    n: int
    n_needed: int

    @property
    def supported(self) -> bool:
        """Whether n values can support the claim at all."""
        return self.value is not None


def quantile_upper_bound(values: Sequence[float], q: float, *, confidence: float = 0.95) -> QuantileBound:
    """The smallest order statistic that is >= the ``q`` quantile with ``confidence``, for any distribution.

    P(X_(k) >= Q_q) >= P(Binomial(n, q) <= k - 1), with equality for continuous values; k is the smallest rank
    for which that is at least ``confidence``. Values must be independent draws from one distribution.

    References: Conover (1999), Practical Nonparametric Statistics, 3rd ed., section 3.2; the same interval as
    scipy.stats.quantile_test(alternative="less").
    """
    _check_open(q, "q")
    _check_open(confidence, "confidence")
    if any(math.isnan(value) for value in values):
        raise ValueError("a NaN has no rank")
    n = len(values)
    needed = clean_runs_needed(1.0 - q, confidence=confidence)
    if n < needed:
        return QuantileBound(value=None, rank=None, n=n, n_needed=needed)
    rank = int(stats.binom.ppf(confidence, n, q)) + 1
    return QuantileBound(value=sorted(values)[rank - 1], rank=rank, n=n, n_needed=needed)


def _check_open(value: float, name: str) -> None:
    if not 0.0 < value < 1.0:
        raise ValueError(f"{name} = {value} does not lie inside (0, 1)")
