"""BCa bootstrap interval of a token-weighted mean of paired differences, on a hundred windows or more.

For fewer windows it is too narrow (docs/interval-choice.md): the predictive gate has invarlock.stats.paired_interval.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special

from invarlock.errors import DataError
from invarlock.record import Record
from invarlock.stats.paired_sample import require_sample, weighted_mean

Array = NDArray[np.float64]

_DRAWN_AT_ONCE = 1 << 21  # windows; the draws of one block take 16 MiB


class BcaInterval(Record):
    """Interval at 1 - alpha, alpha / 2 beyond each end, in the unit of the differences.

    mean: token-weighted; bias: z0, the normal quantile of the share of replicates below the mean; acceleration: by
    the jackknife (both 0 where no window differs from another); n: windows; replicates, seed: of the bootstrap.
    """

    method: Literal["bca"] = "bca"
    mean: float
    lower: float
    upper: float
    alpha: float
    bias: float
    acceleration: float
    n: int
    replicates: int
    seed: int

    @property
    def half_width(self) -> float:
        """Half of upper - lower."""
        return (self.upper - self.lower) / 2.0


def bca_interval(
    deltas: Sequence[float], tokens: Sequence[int], *, replicates: int, seed: int, alpha: float = 0.05
) -> BcaInterval:
    """Resample windows, each with its tokens, and correct the percentiles for bias and skewness.

    deltas: one a window; tokens: predicted tokens of the same windows, the weights. Differences that are all equal
    give an interval of width zero. Raises DataError for a sample that has no interval (see ``require_sample``) or
    whose replicates all lie on one side of its mean; ValueError unless 0 < alpha < 1, and for so few replicates that
    none lies beyond an end.

    References: Efron (1987), J. Am. Stat. Assoc. 82, 171-185.

    >>> interval = bca_interval([0.02, 0.01, 0.03, 0.02] * 60, [127] * 240, replicates=1200, seed=0)
    >>> round(interval.mean, 6), round(interval.half_width, 4)
    (0.02, 0.0009)
    """
    if not 0.0 < alpha < 1.0:
        raise ValueError(f"alpha = {alpha} does not lie inside (0, 1)")
    if replicates * alpha < 2.0:
        raise ValueError(f"{replicates} replicates have none beyond an end at alpha = {alpha}")
    require_sample(deltas, tokens)
    mean = weighted_mean(deltas, tokens)
    residuals, weights = np.asarray(deltas) - mean, np.asarray(tokens, dtype=np.float64)
    bias = acceleration = 0.0
    lower = upper = mean
    if residuals.any():
        shifts = resampled_means(residuals, weights, replicates=replicates, seed=seed)
        bias, acceleration = _bias(shifts), _acceleration(residuals, weights)
        ends = np.quantile(shifts, [_level(side, bias, acceleration) for side in (alpha / 2, 1 - alpha / 2)])
        lower, upper = (mean + float(end) for end in ends)
    return BcaInterval(
        mean=mean,
        lower=lower,
        upper=upper,
        alpha=alpha,
        bias=bias,
        acceleration=acceleration,
        n=len(deltas),
        replicates=replicates,
        seed=seed,
    )


def resampled_means(values: Array, weights: Array, *, replicates: int, seed: int) -> Array:
    """Weighted means of samples of n drawn with replacement, (replicates,); values and weights have shape (n,).

    Indices are numpy's ``default_rng(seed).integers``, a row of n a replicate.
    """
    n = len(values)
    rng = np.random.default_rng(seed)
    weighted, means = values * weights, np.empty(replicates)
    rows = max(1, _DRAWN_AT_ONCE // n)
    for start in range(0, replicates, rows):
        block = means[start : start + rows]
        drawn = rng.integers(0, n, (len(block), n))
        block[:] = weighted[drawn].sum(axis=1) / weights[drawn].sum(axis=1)
    return means


def _bias(shifts: Array) -> float:
    """z0. A replicate that equals the mean counts half on either side."""
    below = float(np.mean(shifts < 0.0) + np.mean(shifts <= 0.0)) / 2.0
    if not 0.0 < below < 1.0:
        raise DataError(
            f"all {len(shifts)} bootstrap means lie on one side of the sample's mean",
            fix="give more windows, or windows of similar length",
        )
    return float(special.ndtri(below))


def _acceleration(residuals: Array, weights: Array) -> float:
    """sum U^3 / (6 (sum U^2)^1.5), U_i the mean of the leave-one-out means less the i-th.

    Without window i the weighted mean moves by -w_i e_i / (sum w - w_i): no mean is computed anew.
    """
    scaled = residuals / np.abs(residuals).max()  # the cube of a tiny difference would vanish
    moved = -weights * scaled / (weights.sum() - weights)
    influence = moved.mean() - moved
    return float((influence**3).sum() / (6.0 * math.sqrt((influence**2).sum()) ** 3))


def _level(tail: float, bias: float, acceleration: float) -> float:
    """Which quantile of the replicates stands for the ``tail`` quantile."""
    z = bias + float(special.ndtri(tail))
    return float(special.ndtr(bias + z / (1.0 - acceleration * z)))
