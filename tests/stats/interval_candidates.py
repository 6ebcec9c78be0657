"""Candidate intervals of a token-weighted mean, vectorised over repetitions; rivals of invarlock.stats.paired_interval.

A candidate gives upper bounds of the mean of n differences, one for each tail area; lower bounds are their mirror.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import special

Array = NDArray[np.float64]
# (differences, tokens), both (repetitions, windows), and the tail areas of the bounds -> (tails, repetitions)
Bounds = Callable[[Array, Array, tuple[float, ...]], Array]

SEED, RESAMPLES, CHUNK = 20240817, 999, 1000

# Student t's -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Weighted:
    """What every t is made of. share: of the tokens, (repetitions, n); residuals: less the weighted mean."""

    share: Array
    mean: Array
    residuals: Array

    @classmethod
    def of(cls, differences: Array, tokens: Array) -> Weighted:
        """Weighted mean and residuals of each repetition."""
        share = tokens / tokens.sum(1, keepdims=True)
        mean = np.einsum("rn,rn->r", share, differences)
        return cls(share, mean, differences - mean[:, None])

    @property
    def n(self) -> int:
        """Windows."""
        return int(self.share.shape[1])

    @property
    def concentration(self) -> Array:
        """Sum of squared shares, the reciprocal of the effective number of windows."""
        return np.einsum("rn,rn->r", self.share, self.share)


def ratio_variance(sample: Weighted) -> Array:
    """The ratio estimator's: n / (n - 1) sum h^2 e^2."""
    return sample.n / (sample.n - 1) * ((sample.share * sample.residuals) ** 2).sum(1)


def hc2_variance(sample: Weighted) -> Array:
    """Leverage-corrected: sum h^2 e^2 / (1 - h)."""
    return ((sample.share * sample.residuals) ** 2 / (1.0 - sample.share)).sum(1)


def pooled_variance(sample: Weighted) -> Array:
    """One variance for all windows, s^2 / n_eff, s^2 = sum h e^2 / (1 - sum h^2)."""
    pooled = (sample.share * sample.residuals**2).sum(1) / (1.0 - sample.concentration)
    return pooled * sample.concentration


def plain_degrees(sample: Weighted) -> Array:
    """n - 1."""
    return np.full(len(sample.mean), sample.n - 1.0)


def effective_degrees(sample: Weighted) -> Array:
    """n_eff - 1 with Kish's n_eff = 1 / sum h^2."""
    return 1.0 / sample.concentration - 1.0


def satterthwaite_degrees(sample: Weighted) -> Array:
    """Bell and McCaffrey (2002): trace(M)^2 / trace(M^2), M the quadratic form of hc2_variance in the differences.

    M = D - h a' - a h' + (sum a) h h' with a = h^2 / (1 - h), D = diag(a), for differences of equal variance.
    """
    h, s = sample.share, sample.concentration
    a = h**2 / (1.0 - h)
    total, cross, squares = a.sum(1), (h * a).sum(1), (a**2).sum(1)
    trace = total * (1.0 + s) - 2.0 * cross
    square = (
        squares
        - 4.0 * (a**2 * h).sum(1)
        + 2.0 * total * (a * h**2).sum(1)
        + 2.0 * s * squares
        + 2.0 * cross**2
        - 4.0 * total * s * cross
        + (total * s) ** 2
    )
    return trace**2 / square


def t_bounds(
    differences: Array,
    tokens: Array,
    tails: tuple[float, ...],
    *,
    variance: Callable[[Weighted], Array],
    degrees: Callable[[Weighted], Array],
) -> Array:
    """mean + t sqrt(variance)."""
    sample = Weighted.of(differences, tokens)
    error, freedom = np.sqrt(variance(sample)), degrees(sample)
    return np.stack([sample.mean + special.stdtrit(freedom, 1.0 - tail) * error for tail in tails])


# Bootstraps --------------------------------------------------------------------------------------------------------
# Windows are drawn with replacement. A chunk of repetitions shares its RESAMPLES draws, so that all sums over drawn
# windows are matrix products; each repetition still sees independent draws.


def bootstrap_t_bounds(differences: Array, tokens: Array, tails: tuple[float, ...]) -> Array:
    """Studentized: mean - q sqrt(variance), q the ``tail`` quantile of (drawn mean - mean) / its error."""
    sample = Weighted.of(differences, tokens)
    error = np.sqrt(ratio_variance(sample))
    return np.concatenate(
        [_studentized(sample, tokens, error, part, drawn, tails) for part, drawn in _draws(tokens)], axis=1
    )


def bca_bounds(differences: Array, tokens: Array, tails: tuple[float, ...]) -> Array:
    """Bias-corrected and accelerated quantile of the drawn means; acceleration by the jackknife."""
    sample = Weighted.of(differences, tokens)
    return np.concatenate(
        [_corrected(sample, tokens, part, drawn, tails) for part, drawn in _draws(tokens)], axis=1
    )


def _draws(tokens: Array) -> Iterator[tuple[slice, Array]]:
    """Repetitions, and how often each window is in each resample, (windows, resamples)."""
    repetitions, n = tokens.shape
    rng = np.random.default_rng([SEED, n])
    for start in range(0, repetitions, CHUNK):
        yield slice(start, start + CHUNK), rng.multinomial(n, np.full(n, 1.0 / n), RESAMPLES).T.astype(float)


def _studentized(
    sample: Weighted, tokens: Array, error: Array, part: slice, drawn: Array, tails: tuple[float, ...]
) -> Array:
    weights, residuals = tokens[part], sample.residuals[part]
    total = weights @ drawn
    shift = (weights * residuals) @ drawn / total
    # sum of (w (e - shift))^2 over the drawn windows, multiplied out
    squares = (weights * residuals) ** 2 @ drawn
    squares += shift * (shift * (weights**2 @ drawn) - 2.0 * ((weights**2 * residuals) @ drawn))
    drawn_error = np.sqrt(np.maximum(squares, 0.0) * sample.n / (sample.n - 1)) / total
    # One window drawn n times has no spread: infinitely far out, on its side.
    spread = drawn_error > 1e-9 * error[part, None]
    studentized = np.copysign(np.inf, shift)
    np.divide(shift, drawn_error, out=studentized, where=spread)
    studentized.sort(axis=1)
    return np.stack(
        [sample.mean[part] - studentized[:, int(tail * (RESAMPLES + 1)) - 1] * error[part] for tail in tails]
    )


def _corrected(sample: Weighted, tokens: Array, part: slice, drawn: Array, tails: tuple[float, ...]) -> Array:
    weights, residuals = tokens[part], sample.residuals[part]
    shift = np.sort((weights * residuals) @ drawn / (weights @ drawn), axis=1)
    below = np.clip((shift < 0.0).mean(1), 1.0 / RESAMPLES, 1.0 - 1.0 / RESAMPLES)
    bias = special.ndtri(below)
    left_out = -weights * residuals / (weights.sum(1, keepdims=True) - weights)
    influence = left_out.mean(1, keepdims=True) - left_out
    acceleration = (influence**3).sum(1) / (6.0 * (influence**2).sum(1) ** 1.5)
    bounds = []
    for tail in tails:
        z = bias + special.ndtri(1.0 - tail)
        level = special.ndtr(bias + z / (1.0 - acceleration * z))
        rank = np.clip((level * (RESAMPLES + 1)).astype(int) - 1, 0, RESAMPLES - 1)
        bounds.append(sample.mean[part] + shift[np.arange(len(shift)), rank])
    return np.stack(bounds)


CHOSEN = "t, HC2 variance, n_eff - 1"
CANDIDATES: dict[str, Bounds] = {
    "t, ratio variance, n - 1": partial(t_bounds, variance=ratio_variance, degrees=plain_degrees),
    "t, HC2 variance, n - 1": partial(t_bounds, variance=hc2_variance, degrees=plain_degrees),
    "t, HC2 variance, Satterthwaite": partial(t_bounds, variance=hc2_variance, degrees=satterthwaite_degrees),
    CHOSEN: partial(t_bounds, variance=hc2_variance, degrees=effective_degrees),
    "t, pooled variance, n_eff - 1": partial(t_bounds, variance=pooled_variance, degrees=effective_degrees),
    "bootstrap-t": bootstrap_t_bounds,
    "BCa": bca_bounds,
}
