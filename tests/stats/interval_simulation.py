"""How often each candidate interval lets a change that gains nothing pass, and with it the predictive gate.

A false pass is an upper bound <= 0 where the true mean is 0. All shapes but the skewed ones are symmetric, so the
same rate holds for the lower bound.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np

from invarlock.guards.predictive_gate import GateReason, weigh_interval
from tests.stats.interval_candidates import CANDIDATES, CHOSEN, Array

SEED = 20240817
COUNTS = (6, 8, 12, 16)
NOMINAL = {"one-sided 95 %": 5.0, "two-sided 95 %": 2.5}  # percent beyond one end
TAILS = tuple(percent / 100.0 for percent in NOMINAL.values())
MARGIN = 1.0  # points over nominal that a method may be
FULL_WINDOW, MASKED_SHARE = 128, 0.15


@dataclass(frozen=True)
class Case:
    """How windows are drawn. tokens, variance (with the token count) and shape name the distributions."""

    tokens: str
    variance: str
    shape: str

    def draw(self, n: int, repetitions: int, *, seed: int = SEED) -> tuple[Array, Array]:
        """Differences of true weighted mean 0 and unit variance (before ``variance``), and token counts."""
        name = f"{self.tokens}/{self.variance}/{self.shape}".encode()
        rng = np.random.default_rng([seed, n, *name])
        size = (repetitions, n)
        tokens = TOKENS[self.tokens](rng, size)
        differences = SHAPES[self.shape](rng, size)
        if self.variance == "1/tokens":
            differences = differences / np.sqrt(tokens / FULL_WINDOW)
        return differences, tokens


Sampler = Callable[[np.random.Generator, tuple[int, int]], Array]


def _lognormal_tokens(rng: np.random.Generator, size: tuple[int, int], *, sigma: float) -> Array:
    return np.ceil(FULL_WINDOW * rng.lognormal(0.0, sigma, size))


def _skewed(rng: np.random.Generator, size: tuple[int, int], *, sign: float) -> Array:
    mean, deviation = np.exp(0.5), np.sqrt(np.e * (np.e - 1.0))
    return sign * (rng.lognormal(0.0, 1.0, size) - mean) / deviation


def _correlated(rng: np.random.Generator, size: tuple[int, int]) -> Array:
    """Autoregressive: neighbouring windows correlate at 0.5."""
    differences = rng.standard_normal(size)
    for window in range(1, size[1]):
        fresh = np.sqrt(0.75) * differences[:, window]
        differences[:, window] = 0.5 * differences[:, window - 1] + fresh
    return differences


TOKENS: dict[str, Sampler] = {
    "equal": lambda rng, size: np.full(size, float(FULL_WINDOW)),
    "masked": lambda rng, size: np.maximum(rng.binomial(FULL_WINDOW, MASKED_SHARE, size), 1).astype(float),
    "lognormal 0.5": partial(_lognormal_tokens, sigma=0.5),
    "lognormal 1": partial(_lognormal_tokens, sigma=1.0),
}
SHAPES: dict[str, Sampler] = {
    "normal": lambda rng, size: rng.standard_normal(size),
    "t, 3 df": lambda rng, size: rng.standard_t(3, size) / np.sqrt(3.0),
    "Laplace": lambda rng, size: rng.laplace(size=size) / np.sqrt(2.0),
    "rare large harm": partial(_skewed, sign=1.0),
    "rare large gain": partial(_skewed, sign=-1.0),
    "neighbours correlated": _correlated,
}
JUDGED_SHAPES = ("normal", "t, 3 df", "Laplace")
WEIGHTS = [
    (tokens, law)
    for tokens, law in product(TOKENS, ("constant", "1/tokens"))
    if (tokens, law) != ("equal", "1/tokens")
]
REALISTIC = [
    Case(tokens, law, shape)
    for (tokens, law), shape in product(WEIGHTS, JUDGED_SHAPES)
    if "log" not in tokens
]
HARSHER = [
    Case(tokens, law, shape) for (tokens, law), shape in product(WEIGHTS, JUDGED_SHAPES) if "log" in tokens
]
BEYOND = [Case("equal", "constant", shape) for shape in SHAPES if shape not in JUDGED_SHAPES]


def false_passes(
    method: str, case: Case, n: int, repetitions: int, *, seed: int = SEED, gain: float = 0.0
) -> Array:
    """Percent of repetitions whose bound is <= 0, for each of TAILS, where the true mean is ``-gain``."""
    differences, tokens = case.draw(n, repetitions, seed=seed)
    return 100.0 * (CANDIDATES[method](differences - gain, tokens, TAILS) <= 0.0).mean(axis=1)


def gate_passes(case: Case, n: int, repetitions: int, *, min_effect: float, seed: int = SEED) -> list[float]:
    """Percent of repetitions that the predictive gate enables, for each of TAILS, true mean = ``-min_effect``."""
    differences, tokens = case.draw(n, repetitions, seed=seed)
    differences = differences - min_effect
    means = np.average(differences, weights=tokens, axis=1)
    uppers = CANDIDATES[CHOSEN](differences, tokens, TAILS)
    return [
        100.0
        * np.mean(
            [
                weigh_interval(mean, (2.0 * mean - upper, upper), min_effect=min_effect)
                is GateReason.CI_GAIN_MET
                for mean, upper in zip(means.tolist(), bounds.tolist(), strict=True)
            ]
        )
        for bounds in uppers
    ]
