"""The power curve: what the predictive gate can resolve with a number of windows (design page 4, seeds 001 and 003)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

from invarlock.calibration.min_effect import half_width
from invarlock.calibration.ve_records import PowerPoint
from invarlock.calibration.ve_reports import VeObservation


def power_curve(runs: Sequence[VeObservation], *, tier: str, one_sided: bool) -> tuple[PowerPoint, ...]:
    """One point a window count, fewest first. Runs whose reports name no count are in no point."""
    counts = sorted({run.windows for run in runs if run.windows})
    return tuple(
        _point([run for run in runs if run.windows == windows], tier, windows, one_sided)
        for windows in counts
    )


def _point(runs: Sequence[VeObservation], tier: str, windows: int, one_sided: bool) -> PowerPoint:
    widths = [run.delta_ci[1] - run.delta_ci[0] for run in runs if run.delta_ci is not None]
    sigma = pooled_deviation(
        [run.deviation for run in runs if run.delta_ci is not None and run.deviation is not None]
    )
    return PowerPoint(
        tier=tier,
        windows=windows,
        runs=len(widths),
        mean_ci_width=fmean(widths) if widths else None,
        sigma_hat=sigma,
        half_width=None if sigma is None else half_width(sigma, windows, one_sided=one_sided),
    )


def pooled_deviation(deviations: Sequence[float]) -> float | None:
    """Root of the mean square of standard deviations of samples of one size; None of none."""
    return math.sqrt(fmean(value**2 for value in deviations)) if deviations else None


def most_windows(curve: Sequence[PowerPoint]) -> PowerPoint | None:
    """The point of the most windows that has a half-width: its spread rests on every delta of the smaller ones."""
    measured = [point for point in curve if point.half_width is not None]
    return measured[-1] if measured else None
