"""Exact, distribution-free statements about rates and quantiles from n independent runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import scipy  # its parts are imported when first used: records that name this module are read without them


def clopper_pearson(events: int, n: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Two-sided Clopper-Pearson interval of a rate, from ``events`` in ``n`` independent runs.

    References: Clopper and Pearson (1934), Biometrika 26(4), 404-413.
    """
    (interval,) = clopper_pearson_intervals([events], n, confidence=confidence)
    return interval


def clopper_pearson_intervals(
    events: Sequence[int], n: int, *, confidence: float = 0.95
) -> tuple[tuple[float, float], ...]:
    """:func:`clopper_pearson` of many counts out of the same ``n`` >= 1: quantiles of beta distributions."""
    k, tail = np.asarray(events, dtype=np.int64), (1 - confidence) / 2
    if n < 1 or (k < 0).any() or (k > n).any():
        raise ValueError(f"counts must lie in [0, n], n >= 1; n = {n}")
    # betaincinv has no quantile where a shape is 0: there the interval reaches the end of [0, 1].
    low = np.where(k == 0, 0.0, scipy.special.betaincinv(np.maximum(k, 1), n - k + 1, tail))
    high = np.where(k == n, 1.0, scipy.special.betaincinv(k + 1, np.maximum(n - k, 1), 1 - tail))
    return tuple(zip(low.tolist(), high.tolist(), strict=True))


def clopper_pearson_upper(events: int, n: int, *, confidence: float = 0.95) -> float:
    """One-sided upper Clopper-Pearson bound of a rate."""
    return clopper_pearson(events, n, confidence=2 * confidence - 1)[1]


def most_events(rate: float, n: int, *, confidence: float = 0.95) -> int | None:
    """The most events in ``n`` independent runs that still show a rate <= ``rate`` with ``confidence``.

    max {k : P(Binomial(n, rate) <= k) <= 1 - confidence}; None where even no event shows it (fewer runs than
    :func:`clean_runs_needed`). Raises ValueError unless rate and confidence lie inside (0, 1).

    >>> most_events(0.01, 299), most_events(0.01, 298), most_events(0.05, 500)
    (0, None, 16)
    """
    needed = clean_runs_needed(rate, confidence=confidence)
    if n < needed:
        return None
    miss = 1 - confidence
    k = int(scipy.stats.binom.ppf(miss, n, rate))  # the smallest with a probability >= miss
    return k if k == 0 or scipy.stats.binom.cdf(k, n, rate) <= miss else k - 1


def clean_runs_needed(rate: float, *, confidence: float = 0.95) -> int:
    """The fewest independent runs, all clean, that show a rate <= ``rate`` with ``confidence``.

    The smallest n with (1 - rate)^n <= 1 - confidence. Raises ValueError unless both lie inside (0, 1).

    >>> clean_runs_needed(0.01), clean_runs_needed(0.05)
    (299, 59)
    """
    _check_open(rate, "rate")
    _check_open(confidence, "confidence")
    # In logarithms: 1 - rate loses a rate near 1e-16 altogether. As a fraction: n may be above all exact floats.
    return math.ceil(Fraction(math.log1p(-confidence)) / Fraction(math.log1p(-rate)))


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
    rank = int(scipy.stats.binom.ppf(confidence, n, q)) + 1
    return QuantileBound(value=sorted(values)[rank - 1], rank=rank, n=n, n_needed=needed)


def _check_open(value: float, name: str) -> None:
    if not 0.0 < value < 1.0:
        raise ValueError(f"{name} = {value} does not lie inside (0, 1)")
