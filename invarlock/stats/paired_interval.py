"""Confidence interval of a token-weighted mean of paired differences, on a handful of windows.

Chosen among Student t's, the studentized bootstrap and BCa by how often a change that gains nothing passes:
docs/interval-choice.md, made by tests/stats/interval_page.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from scipy import special

from invarlock.errors import DataError
from invarlock.record import Record
from invarlock.stats.paired_sample import require_sample, weighted_mean

METHOD = "weighted_t"
FEWEST_DEGREES = 0.05  # one window holds 97 % of the tokens; the quantile, 1e25, says nothing any more


class PairedInterval(Record):
    """In the unit of the differences. mean: token-weighted; standard_error: of the mean.

    lower, upper: one_sided, each is a bound at the confidence asked for; else both together are an interval at it.
    deviation: standard deviation of one window's difference, unweighted; n: windows; method: how it was computed.
    """

    mean: float
    lower: float
    upper: float
    standard_error: float
    deviation: float
    n: int
    method: str
    one_sided: bool


def paired_interval(
    deltas: Sequence[float], tokens: Sequence[int], *, one_sided: bool, confidence: float = 0.95
) -> PairedInterval:
    """Student t around mean = sum h_i d_i, h_i = tokens_i / sum of tokens; windows must be independent.

    Variance of the mean: sum h_i^2 (d_i - mean)^2 / (1 - h_i), unbiased when a window's variance falls as 1 / tokens
    and nearly so when it is constant. Degrees of freedom: n_eff - 1 with n_eff = 1 / sum h_i^2. With equal tokens
    it is the usual t interval; deltas that are all equal give one of width zero.

    deltas: one a window (nats per token in the predictive gate); tokens: predicted tokens of the same windows.
    Raises DataError for fewer than 2 windows, lengths that differ, a delta that is not finite, tokens below 1, or
    one window with nearly all of them; ValueError unless 0.5 < confidence < 1.

    References: MacKinnon and White (1985), J. Econometrics 29, 305-325 (HC2); Kish (1965), Survey Sampling, 11.2
    (effective sample size).

    >>> interval = paired_interval([-0.002, -0.001, -0.003], [100, 100, 100], one_sided=True)
    >>> round(interval.mean, 6), round(interval.upper, 6)
    (-0.002, -0.000314)
    """
    if not 0.5 < confidence < 1.0:
        raise ValueError(f"confidence = {confidence} does not lie inside (0.5, 1)")
    require_sample(deltas, tokens)
    n = len(deltas)
    mean, plain_mean = weighted_mean(deltas, tokens), weighted_mean(deltas, [1] * n)
    standard_error = _standard_error([delta - mean for delta in deltas], tokens)
    tail = 1.0 - confidence if one_sided else (1.0 - confidence) / 2.0
    half = standard_error * float(special.stdtrit(_degrees_of_freedom(tokens), 1.0 - tail))
    return PairedInterval(
        mean=mean,
        lower=mean - half,
        upper=mean + half,
        standard_error=standard_error,
        deviation=math.hypot(*(delta - plain_mean for delta in deltas)) / math.sqrt(n - 1),
        n=n,
        method=METHOD,
        one_sided=one_sided,
    )


def _standard_error(residuals: Sequence[float], tokens: Sequence[int]) -> float:
    """sqrt(sum h_i^2 e_i^2 / (1 - h_i)); 1 - h_i in whole tokens, where a float loses what one window leaves."""
    total = sum(tokens)
    return math.hypot(
        *(
            count * residual / math.sqrt(total * (total - count))
            for residual, count in zip(residuals, tokens, strict=True)
        )
    )


def _degrees_of_freedom(tokens: Sequence[int]) -> float:
    total, squares = sum(tokens), sum(count**2 for count in tokens)
    freedom = (total**2 - squares) / squares
    if freedom < FEWEST_DEGREES:
        raise DataError(
            f"one window holds {max(tokens)} of {total} tokens: the others cannot say how much it varies",
            fix="give windows of similar length",
        )
    return freedom
