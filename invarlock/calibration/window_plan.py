"""How many windows an evaluation needs, what they cost, and what the profiles give (seed 001, design page 5)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import cache

from invarlock.calibration.min_effect import critical_value, half_width
from invarlock.calibration.window_plan_records import TARGET_HALF_WIDTH, PlanPoint, WindowPlan
from invarlock.errors import ConfigError, DataError
from invarlock.metrics.paired_windows import PairedLosses
from invarlock.policy.variance import FEWEST_WINDOWS
from invarlock.stats.bca import bca_interval
from invarlock.stats.paired_interval import paired_interval

ARMS = 2  # baseline and subject
COUNTS = (40, 60, 90, 120, 180, 240, 320, 400, 560, 800)


def plan_windows(
    pair: PairedLosses,
    *,
    profiles: Mapping[str, int],
    available: int,
    one_sided: bool,
    floor: int,
    replicates: int,
    seed: int,
    target: float = TARGET_HALF_WIDTH,
    safety_margin: float = 0.0,
    counts: Sequence[int] = COUNTS,
) -> WindowPlan:
    """Plan from the differences of a baseline and one edit of it, in the order in which windows are drawn.

    profiles: final windows by name; available: windows of the data; one_sided: the tier's sidedness; floor: the
    tier's fewest windows; replicates, seed: of the bootstrap; target: half-width, nats per token; safety_margin: share
    of the needed windows that is added to them; counts: of the curve, at least two.

    Raises DataError for a pair without differences (a model against itself says nothing of an edit) and as
    ``paired_interval`` does; ConfigError for counts or a target that cannot be used.
    """
    _check_request(counts, target)
    interval = paired_interval(pair.deltas, pair.tokens, one_sided=one_sided)
    if interval.standard_error == 0.0:
        raise DataError(
            "no window's loss differs from another's: the pair says nothing of how much an edit's would",
            fix="plan from the baseline and a real edit of it",
        )
    sigma = interval.standard_error * math.sqrt(interval.n)
    needed = windows_needed(sigma, target, one_sided=one_sided)

    @cache  # profiles share counts with the curve
    def point(windows: int) -> PlanPoint:
        width = half_width(sigma, windows, one_sided=one_sided)
        return PlanPoint(
            windows=windows,
            passes=ARMS * windows,
            half_width=width,
            bca_half_width=_bca_half_width(pair, windows, one_sided, replicates, seed),
            meets_target=width <= target,
            meets_floor=windows >= floor,
        )

    curve = tuple(point(windows) for windows in sorted(set(counts)))
    plan = WindowPlan(
        one_sided=one_sided,
        z=critical_value(one_sided=one_sided),
        sigma_hat=sigma,
        mean_delta=interval.mean,
        pairs=interval.n,
        available=available,
        target_half_width=target,
        safety_margin=safety_margin,
        windows_needed=needed,
        floor=floor,
        recommended=point(max(_with_margin(needed, safety_margin), floor)),
        most=point(max(available // 2, 1)),
        knee=knee(curve).windows,
        curve=curve,
        profiles={name: point(windows) for name, windows in profiles.items()},
        replicates=replicates,
        seed=seed,
        statement="",
    )
    return plan.model_copy(update={"statement": _statement(plan)})


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

    On c / sqrt(n) it depends on the ends of the curve alone, not on c or the cost of a pass.

    References: Satopaa, Albrecht, Irwin and Raghavan (2011), ICDCS Workshops, 166-171 (Kneedle).
    """
    first, last = curve[0], curve[-1]

    def depth(point: PlanPoint) -> float:
        cost = (point.passes - first.passes) / (last.passes - first.passes)
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


def _with_margin(windows: int, margin: float) -> int:
    """``windows`` times 1 + ``margin``, rounded up; the margin as it is written, so that 10 % of 100 are 10."""
    return math.ceil(windows * (1 + Fraction(repr(margin))))


def _statement(plan: WindowPlan) -> str:
    said = [
        f"±{plan.target_half_width:g} takes {plan.windows_needed:,} final windows: one window's difference varies by "
        f"{plan.sigma_hat:.3g} nats per token (standard deviation, {plan.pairs} windows).",
    ]
    if plan.safety_margin:
        said.append(f"With the margin they are {_with_margin(plan.windows_needed, plan.safety_margin):,}.")
    if plan.recommended.windows == plan.floor:
        said.append(f"The tier asks for {plan.floor} at least.")
    if plan.attainable:
        enough = plan.profiles_that_suffice()
        said.append(f"Profiles that suffice: {', '.join(enough)}." if enough else "No profile has as many.")
    else:
        said.append(
            f"The data have {plan.available:,} windows: an evaluation can look at {plan.most.windows:,} final ones and "
            f"reach ±{plan.most.half_width:.3g}."
        )
    return " ".join(said)


def _check_request(counts: Sequence[int], target: float) -> None:
    if not (math.isfinite(target) and target > 0):
        raise ConfigError(f"the target half-width is {target}", fix="give a number above 0")
    if len(set(counts)) < 2 or min(counts) < FEWEST_WINDOWS:
        raise ConfigError(
            f"window counts {list(counts)} make no curve",
            fix=f"give two or more, each at least {FEWEST_WINDOWS}",
        )
