"""What a VE sweep's summary says (design page 4). Effects and widths: nats per token; rates: shares in [0, 1]."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from invarlock.record import Record


class MinEffectRule(StrEnum):
    """Where min_effect_lognll comes from."""

    TARGET_RATE = "target-rate"  # the smallest at which no more than the target share of the runs passes
    HALF_WIDTH = "half-width"  # z sigma / sqrt(n): seed 001's formula


class RunGains(Record):
    """Gains of the runs. values: ascending; n_positive: of those above 0."""

    values: tuple[float, ...]
    n_positive: int
    min: float
    median: float
    max: float


class VeObserved(Record):
    """What the runs did under the policy they were judged by.

    min_effect_lognll: that policy's, None where the reports do not say; enabled_runs: whose gate passed;
    n_evaluated: with a confidence interval; reasons: share of the runs by the gate's reason.
    """

    min_effect_lognll: float | None
    enabled_runs: int
    enable_rate: float
    n_evaluated: int
    reasons: Mapping[str, float]
    gains: RunGains


class VeRecommendation(Record):
    """A value for the tier and what the runs do at it.

    expected_enable_rate: share of these runs whose gain passes it; enable_rate_interval: its Clopper-Pearson 95 %
    interval, were the runs independent (VeEvidence has the one that does not suppose so).
    """

    min_effect_lognll: float
    rule: MinEffectRule
    expected_enable_rate: float
    enable_rate_interval: tuple[float, float]


class PowerPoint(Record):
    """One row of the power curve: what one tier's gate can resolve with a number of calibration windows.

    runs: those with a confidence interval; sigma_hat: standard deviation of a window's delta, pooled over them;
    half_width: z sigma_hat / sqrt(windows). Null where no run has an interval, or none gives its deviation.
    """

    tier: str
    windows: int
    runs: int
    mean_ci_width: float | None
    sigma_hat: float | None
    half_width: float | None


class VeEvidence(Record):
    """How much the runs can show of fresh ones.

    n_effective: distinct draws of windows on an edited model; n_passing: those of which any run passes the
    recommended value; draw_interval: Clopper-Pearson at ``confidence`` of that share; both None without a value;
    fresh_run_exceeds: distribution-free upper bound on the chance that a fresh draw's run passes the target-rate
    value without its margin, averaged over sweeps, None under another rule; runs_needed: the fewest draws, none
    passing, that show the target, None for a target of 0 or 1; target_shown: whether these do, for all of a draw's
    runs together.
    """

    n_effective: int
    n_passing: int | None
    confidence: float
    draw_interval: tuple[float, float] | None
    fresh_run_exceeds: float | None
    runs_needed: int | None
    target_shown: bool
    statement: str


# What every statement leaves unsaid, for readers to be told once.
SCOPE_OF_EVIDENCE = (
    "All of this is about fresh windows for the edited models tried here: seeds redraw windows, they say nothing of "
    "another edit or model."
)


class VeSummary(Record):
    """The summary of one tier. n_runs: reports; n_missing: those without the guard, in no rate.

    by_rule: what each rule gives, None for a half-width where no run has an interval and its deviation;
    recommendations: that of the rule asked for; half_width_windows: the window count of the half-width rule.
    """

    tier: str
    n_runs: int
    n_missing: int
    one_sided: bool
    target_enable_rate: float
    safety_margin: float
    observed: VeObserved
    recommendations: VeRecommendation | None
    by_rule: Mapping[MinEffectRule, VeRecommendation | None]
    half_width_windows: int | None
    power_curve: tuple[PowerPoint, ...]
    evidence: VeEvidence

    @property
    def measured(self) -> VeRecommendation | None:
        """The recommendation if a run has an interval; without one page 4's 0 rests on nothing and is not published."""
        return self.recommendations if self.observed.n_evaluated else None
