"""How many windows an evaluation needs, what they cost, and what the profiles give (seed 001, design page 5)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from invarlock.calibration.min_effect import critical_value, half_width
from invarlock.calibration.window_plan_records import PlanPoint, WindowPlan
from invarlock.errors import ConfigError, DataError
from invarlock.metrics.paired_windows import PairedLosses
from invarlock.policy.profiles import Profile
from invarlock.policy.variance import FEWEST_WINDOWS
from invarlock.stats.bca import bca_interval
from invarlock.stats.paired_interval import paired_interval

TARGET_HALF_WIDTH = 0.001  # nats per token: seed 001's pilot target
COUNTS = (40, 60, 90, 120, 180, 240, 320, 400, 560, 800)


def plan_windows(
    pair: PairedLosses,
    *,
    profiles: Mapping[str, Profile],
    one_sided: bool,
    floor: int,
    seconds_per_window: float,
    replicates: int,
    seed: int,
    target: float = TARGET_HALF_WIDTH,
    counts: Sequence[int] = COUNTS,
) -> WindowPlan:
    """Plan from the differences of a baseline and one edit of it, in the order in which windows are drawn.

    profiles: by name, each with its final_n; one_sided: the tier's sidedness; floor: the tier's fewest windows;
    seconds_per_window: what one more window costs, measured, all arms together; replicates, seed: of the bootstrap;
    target: half-width, nats per token; counts: of the curve, at least two.

    Raises DataError for a pair without differences (a model against itself says nothing of an edit) and as
    ``paired_interval`` does; ConfigError for a profile without a window count, or for counts, a target or a cost that
    cannot be used.
    """
    _check_request(counts, target, seconds_per_window)
    interval = paired_interval(pair.deltas, pair.tokens, one_sided=one_sided)
    if interval.standard_error == 0.0:
        raise DataError(
            "no window's loss differs from another's: the pair says nothing of how much an edit's would",
            fix="plan from the baseline and a real edit of it",
        )
    sigma = interval.standard_error * math.sqrt(interval.n)
    needed = windows_needed(sigma, target, one_sided=one_sided)

    def point(windows: int) -> PlanPoint:
        width = half_width(sigma, windows, one_sided=one_sided)
        return PlanPoint(
            windows=windows,
            half_width=width,
            bca_half_width=_bca_half_width(pair, windows, one_sided, replicates, seed),
            seconds=windows * seconds_per_window,
            meets_target=width <= target,
            meets_floor=windows >= floor,
        )

    curve = tuple(point(windows) for windows in sorted(set(counts)))
    return WindowPlan(
        one_sided=one_sided,
        z=critical_value(one_sided=one_sided),
        sigma_hat=sigma,
        mean_delta=interval.mean,
        pairs=interval.n,
        target_half_width=target,
        windows_needed=needed,
        floor=floor,
        windows=max(needed, floor),
        knee=knee(curve).windows,
        curve=curve,
        profiles={name: point(_final_windows(name, profile)) for name, profile in profiles.items()},
        seconds_per_window=seconds_per_window,
        replicates=replicates,
        seed=seed,
    )


def windows_needed(sigma: float, target: float, *, one_sided: bool) -> int:
    """The smallest n >= 2 with z sigma / sqrt(n) <= target.

    >>> windows_needed(0.0102, 0.001, one_sided=False)
    400
    """
    n = max(FEWEST_WINDOWS, math.floor((half_width(sigma, 1, one_sided=one_sided) / target) ** 2))
    while n > FEWEST_WINDOWS and half_width(sigma, n - 1, one_sided=one_sided) <= target:
        n -= 1
    while half_width(sigma, n, one_sided=one_sided) > target:
        n += 1
    return n


def knee(curve: Sequence[PlanPoint]) -> PlanPoint:
    """The point farthest below the straight line from first to last, both axes scaled to 1; the first of equals.

    On c / sqrt(n) it depends on the ends of the curve alone, not on c or the cost of a window.

    References: Satopaa, Albrecht, Irwin and Raghavan (2011), ICDCS Workshops, 166-171 (Kneedle).
    """
    first, last = curve[0], curve[-1]

    def depth(point: PlanPoint) -> float:
        cost = (point.seconds - first.seconds) / (last.seconds - first.seconds)
        width = (point.half_width - last.half_width) / (first.half_width - last.half_width)
        return 1.0 - cost - width

    return max(curve, key=depth)


def _bca_half_width(
    pair: PairedLosses, windows: int, one_sided: bool, replicates: int, seed: int
) -> float | None:
    if windows > len(pair.deltas):
        return None
    return bca_interval(
        pair.deltas[:windows],
        pair.tokens[:windows],
        replicates=replicates,
        seed=seed,
        alpha=0.10 if one_sided else 0.05,
    ).half_width


def _final_windows(name: str, profile: Profile) -> int:
    if profile.final_n is None:
        raise ConfigError(
            f"profile {name} names no number of final windows", fix="plan for profiles that set final_n"
        )
    return profile.final_n


def _check_request(counts: Sequence[int], target: float, seconds_per_window: float) -> None:
    for name, value in (("target half-width", target), ("cost of a window", seconds_per_window)):
        if not (math.isfinite(value) and value > 0):
            raise ConfigError(f"the {name} is {value}", fix="give a number above 0")
    if len(set(counts)) < 2 or min(counts) < FEWEST_WINDOWS:
        raise ConfigError(
            f"window counts {list(counts)} make no curve",
            fix=f"give two or more, each at least {FEWEST_WINDOWS}",
        )
