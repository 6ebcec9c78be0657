"""What a window plan says. Half-widths: of the interval of mean delta log NLL, nats per token."""

from __future__ import annotations

from collections.abc import Mapping

from invarlock.record import Record


class PlanPoint(Record):
    """What a number of final windows gives.

    half_width: z sigma_hat / sqrt(windows); bca_half_width: of the bootstrap on the pair's first ``windows``
    differences, at the same tail area, null where the pair has fewer; seconds: what evaluating them costs;
    meets_target: by half_width; meets_floor: at least the tier's fewest windows.
    """

    windows: int
    half_width: float
    bca_half_width: float | None
    seconds: float
    meets_target: bool
    meets_floor: bool


class WindowPlan(Record):
    """How many final windows the tier's intervals need, from the differences of one pair of models.

    one_sided: each end of an interval is a 95 % bound of its own, else both together are one; z: the normal quantile
    that goes with it; sigma_hat: of one window, so that the weighted mean of n has standard error
    sigma_hat / sqrt(n); pairs: windows that it was estimated from; windows_needed: the fewest that meet the target;
    floor: the tier's fewest; windows: the larger of the two, the recommendation; knee: the count of ``curve`` beyond
    which more windows buy little; curve: by count, ascending; profiles: by name.
    """

    one_sided: bool
    z: float
    sigma_hat: float
    mean_delta: float
    pairs: int
    target_half_width: float
    windows_needed: int
    floor: int
    windows: int
    knee: int
    curve: tuple[PlanPoint, ...]
    profiles: Mapping[str, PlanPoint]
    seconds_per_window: float
    replicates: int
    seed: int
