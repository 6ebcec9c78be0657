"""``min_effect_lognll`` from runs: a run's gain, and the smallest threshold that few enough pass (design page 4).

Thresholds are multiples of 1e-6 nats per token (:mod:`invarlock.calibration.round_up`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from scipy import special

from invarlock.calibration.round_up import round_up_to_micro


def run_gain(delta_ci: tuple[float, float] | None, mean_delta: float | None, *, one_sided: bool) -> float:
    """The improvement that a run's interval vouches for: max(0, -upper bound), nats per token.

    0 without an interval, with an upper bound >= 0 or, one-sided, with a mean that is not negative.

    >>> run_gain((-0.003, -0.001), -0.002, one_sided=True)
    0.001
    """
    if delta_ci is None or (one_sided and (mean_delta is None or mean_delta >= 0)):
        return 0.0
    return max(0.0, -delta_ci[1])


def passes(gain: float, threshold: float) -> bool:
    """Whether a run of this gain is enabled at ``threshold``; a threshold of 0 still takes a gain."""
    return gain > 0 and gain >= threshold


def count_passing(gains: Sequence[float], threshold: float) -> int:
    """How many of the gains pass ``threshold``."""
    return sum(passes(gain, threshold) for gain in gains)


def most_passing(n: int, target: float) -> int:
    """The most of ``n`` runs that may pass: the largest k with k / n <= target."""
    return max(k for k in range(n + 1) if k / n <= target)


def target_rate_threshold(gains: Sequence[float], *, target: float, margin: float) -> float:
    """The smallest multiple of 1e-6 that a share <= ``target`` of the gains passes, times 1 + ``margin``, rounded up.

    >>> target_rate_threshold([0.00002, 0.00002, 0.0001, 0.0], target=0.25, margin=0.0)
    2.1e-05
    """
    positive = sorted((gain for gain in gains if gain > 0), reverse=True)
    allowed = most_passing(len(gains), target)
    if len(positive) <= allowed:
        return 0.0
    beyond = math.nextafter(positive[allowed], math.inf)
    return round_up_to_micro(round_up_to_micro(beyond), margin)


def critical_value(*, one_sided: bool) -> float:
    """z: z_0.95 one-sided and z_0.975 two-sided (seeds 001 and 003)."""
    return float(special.ndtri(0.95 if one_sided else 0.975))


def half_width(sigma: float, windows: int, *, one_sided: bool) -> float:
    """z sigma / sqrt(windows), nats per token."""
    return critical_value(one_sided=one_sided) * sigma / math.sqrt(windows)


def half_width_threshold(width: float, *, margin: float) -> float:
    """``width`` times 1 + ``margin``, rounded up to a multiple of 1e-6."""
    return round_up_to_micro(width, margin)
