"""Tails of the standard normal distribution."""

from __future__ import annotations

import math


def two_sided_p(z: float) -> float:
    """P(|Z| >= |z|) = 2 (1 - Phi(|z|)) for Z standard normal.

    Computed as erfc(|z| / sqrt(2)), so the far tail keeps its digits; beyond |z| = 38.5 it underflows to 0.

    >>> round(two_sided_p(-1.959963984540054), 12)
    0.05
    """
    if math.isnan(z):
        raise ValueError("a NaN z-score has no tail probability")
    return math.erfc(abs(z) / math.sqrt(2.0))
