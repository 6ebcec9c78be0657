"""What a window plan says. Half-widths: of the interval of mean delta log NLL, nats per token."""

from __future__ import annotations

from collections.abc import Mapping

from invarlock.record import Record

TARGET_HALF_WIDTH = 0.001  # nats per token: seed 001's pilot target


class PlanPoint(Record):
    """What a number of final windows gives.

    passes: forward passes of one window that it costs, both models (preview windows come on top);
    half_width: z sigma_hat / sqrt(windows); bca_half_width: of the bootstrap on the pair's first ``windows``
    differences, at the same tail area, null where the pair has fewer; meets_target: by half_width; meets_floor: at
    least the tier's fewest windows.
    """

    windows: int
    passes: int
    half_width: float
    bca_half_width: float | None
    meets_target: bool
    meets_floor: bool


class WindowPlan(Record):
    """How many final windows the tier's intervals need, from the differences of one pair of models.

    one_sided: each end of an interval is a 95 % bound of its own, else both together are one; z: the normal quantile
    that goes with it; sigma_hat: of one window, so that the weighted mean of n has standard error
    sigma_hat / sqrt(n); pairs: windows that it was estimated from; available: that the data have; windows_needed:
    the fewest that meet the target; floor: the tier's fewest; recommended: the larger of the floor and the needed
    ones with the margin; most: final windows beside as many preview ones, when all data are used; knee: the count of
    ``curve`` beyond which more windows buy little; curve: by count, ascending; profiles: by name; statement: all of
    it in words.
    """

    one_sided: bool
    z: float
    sigma_hat: float
    mean_delta: float
    pairs: int
    available: int
    target_half_width: float
    safety_margin: float
    windows_needed: int
    floor: int
    recommended: PlanPoint
    most: PlanPoint
    knee: int
    curve: tuple[PlanPoint, ...]
    profiles: Mapping[str, PlanPoint]
    replicates: int
    seed: int
    statement: str

    @property
    def attainable(self) -> bool:
        """Whether the data have the recommended windows, and as many for the preview."""
        return self.recommended.windows <= self.most.windows

    def profiles_that_suffice(self) -> tuple[str, ...]:
        """Names of the profiles with the recommended windows or more."""
        return tuple(
            name for name, point in self.profiles.items() if point.windows >= self.recommended.windows
        )
