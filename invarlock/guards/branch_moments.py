"""One number a branch from its second moments on several windows, whatever a few odd windows do."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from invarlock.errors import MeasurementError
from invarlock.measure.branch_records import BranchMoments, Tap

CHUNKS = 8
WINSORIZED_FROM = 10  # windows; fewer say nothing about their tails
LIMITS = (0.02, 0.98)  # quantiles (linear interpolation) that values are pulled to


def robust_moment(moments: Sequence[float], positions: Sequence[int]) -> float:
    """A robust mean of per-window means (design page 4).

    From 10 windows on, values beyond the 2 % and 98 % quantiles are set to them. Then the median over up to 8
    consecutive chunks, of sizes that differ by one at most, of each chunk's mean over its positions.

    >>> robust_moment([1.0, 2.0, 90.0], [64, 64, 64])
    2.0
    """
    values = np.asarray(moments, dtype=np.float64)
    if len(values) >= WINSORIZED_FROM:
        values = np.clip(values, *np.quantile(values, LIMITS))
    chunks = np.array_split(np.arange(len(values)), min(CHUNKS, len(values)))
    weights = np.asarray(positions, dtype=np.float64)
    return float(np.median([np.average(values[chunk], weights=weights[chunk]) for chunk in chunks]))


def tap_moment(tap: Tap, windows: Sequence[BranchMoments], *, arm: str) -> float:
    """The robust second moment of one branch; ``windows`` holds at least one.

    Raises MeasurementError, with tap and windows, for a moment that is missing or not finite, one over no position,
    or a branch that puts out nothing: no factor could be read from it.
    """
    missing = [
        window.window_id
        for window in windows
        if tap.module not in window.second_moments or tap.module not in window.positions
    ]
    if missing:
        raise _unusable(tap, missing, f"the second moment of {arm} was not measured")
    values = [window.second_moments[tap.module] for window in windows]
    positions = [window.positions[tap.module] for window in windows]
    broken = [
        window.window_id
        for window, value, count in zip(windows, values, positions, strict=True)
        if not math.isfinite(value) or value < 0.0 or count < 1
    ]
    if broken:
        raise _unusable(tap, broken, f"the second moment of {arm} is not a finite mean square over positions")
    moment = robust_moment(values, positions)
    if moment == 0.0:
        silent = [window.window_id for window, value in zip(windows, values, strict=True) if value == 0.0]
        raise _unusable(tap, silent, f"the branch of {arm} puts out 0 but for its bias")
    return moment


def _unusable(tap: Tap, windows: Sequence[str], what: str) -> MeasurementError:
    return MeasurementError(
        what,
        where=f"{tap.module}, windows {', '.join(windows)}",
        fix="check the weights at this place, or take it out of variance_guard.tap",
    )
