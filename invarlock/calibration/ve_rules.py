"""What each rule recommends for ``min_effect_lognll``, and what the runs do at it (design page 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from invarlock.calibration.min_effect import (
    count_passing,
    half_width_threshold,
    target_rate_threshold,
)
from invarlock.calibration.ve_power import most_windows
from invarlock.calibration.ve_records import MinEffectRule, PowerPoint, VeRecommendation
from invarlock.stats.exact import clopper_pearson


def recommend(
    gains: Sequence[float], curve: Sequence[PowerPoint], *, target: float, margin: float
) -> Mapping[MinEffectRule, VeRecommendation | None]:
    """Both rules' values for one tier; None for the half-width where no run gives one.

    gains: of the runs, nats per token; curve: the tier's; target: share of the runs that may pass.
    """
    by_rate = target_rate_threshold(gains, target=target, margin=margin)
    point = most_windows(curve)
    by_width = None
    if point is not None and point.half_width is not None:
        value = half_width_threshold(point.half_width, margin=margin)
        by_width = _recommend(value, MinEffectRule.HALF_WIDTH, gains)
    return {
        MinEffectRule.TARGET_RATE: _recommend(by_rate, MinEffectRule.TARGET_RATE, gains),
        MinEffectRule.HALF_WIDTH: by_width,
    }


def _recommend(value: float, rule: MinEffectRule, gains: Sequence[float]) -> VeRecommendation:
    passing = count_passing(gains, value)
    return VeRecommendation(
        min_effect_lognll=value,
        rule=rule,
        expected_enable_rate=passing / len(gains),
        enable_rate_interval=clopper_pearson(passing, len(gains)),
    )
