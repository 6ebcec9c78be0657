"""``metrics``: when the primary metric is good enough, and how much evidence that takes."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from invarlock.policy.keys import Count, Real, Relaxes, Section, choice, policy


class TailMode(StrEnum):
    """What a tail violation does: fails the run, is recorded, or is not looked for."""

    FAIL = "fail"
    WARN = "warn"
    OFF = "off"


class RatioGate(Section):
    """``pm_ratio``: perplexity against the baseline."""

    evidence: ClassVar[tuple[str, ...]] = (
        "primary_metric.{ratio_vs_baseline,display_ci}",
        "validation.primary_metric_acceptable",
    )

    ratio_limit_base: Annotated[Real, policy(Relaxes.RAISED)] = Field(
        default=1.10,
        ge=1,
        description="Largest perplexity ratio to the baseline, for the point and for its CI upper bound",
    )
    min_tokens: Annotated[Count, policy(Relaxes.RAISED)] = Field(
        default=50_000, ge=0, description="Tokens (preview + final) below which the gate reads underpowered"
    )
    hysteresis_ratio: Annotated[Real, policy(Relaxes.RAISED)] = Field(
        default=0.002,
        ge=0,
        le=1,
        description="Slack on ratio_limit_base against flapping; its use is reported",
    )
    min_token_fraction: Annotated[Real, policy(Relaxes.RAISED)] = Field(
        default=0.01, ge=0, le=1, description="Share of the available tokens that the floor is at least"
    )


class TailGate(Section):
    """``pm_tail``: the worst windows' delta log NLL, paired by window over the final schedule."""

    evidence: ClassVar[tuple[str, ...]] = (
        "primary_metric_tail.{stats,policy,violations}",
        "validation.primary_metric_tail_acceptable",
    )

    mode: Annotated[TailMode, choice("fail", "warn", "off")] = Field(
        default=TailMode.WARN,
        description="fail: a violation fails validation; warn: it is recorded; off: not evaluated",
    )
    min_windows: Annotated[Count, policy(Relaxes.RAISED)] = Field(
        default=50, ge=1, description="Paired windows below which the tail is not evaluated"
    )
    quantile: Annotated[Real, policy(Relaxes.LOWERED)] = Field(
        default=0.95,
        gt=0,
        lt=1,
        description="Which quantile of delta log NLL is watched (linear, unweighted)",
    )
    quantile_max: Annotated[Real, policy(Relaxes.RAISED)] = Field(
        default=0.20, ge=0, description="Largest delta log NLL, nats per token, at that quantile"
    )
    epsilon: Annotated[Real, policy(Relaxes.RAISED)] = Field(
        default=0.0001,
        ge=0,
        description="Dead band of the tail mass P(delta log NLL > epsilon), nats per token",
    )
    mass_max: Annotated[Real, policy(Relaxes.RAISED)] = Field(
        default=1.0, ge=0, le=1, description="Largest tail mass; 1 does not bind"
    )


class AccuracyGate(Section):
    """``accuracy``: for models that are scored by accuracy."""

    evidence: ClassVar[tuple[str, ...]] = (
        "primary_metric.ratio_vs_baseline",
        "validation.primary_metric_acceptable",
    )

    delta_min_pp: Annotated[Real, policy(Relaxes.LOWERED)] = Field(
        default=-1.0,
        ge=-100,
        le=100,
        description="Smallest accuracy change against the baseline, percentage points",
    )
    min_examples: Annotated[Count, policy(Relaxes.RAISED)] = Field(
        default=200, ge=0, description="Examples below which the gate reads underpowered"
    )
    hysteresis_delta_pp: Annotated[Real, policy(Relaxes.RAISED)] = Field(
        default=0.1, ge=0, le=100, description="Slack on delta_min_pp against flapping; its use is reported"
    )
    min_examples_fraction: Annotated[Real, policy(Relaxes.RAISED)] = Field(
        default=0.01, ge=0, le=1, description="Share of the available examples that the floor is at least"
    )


class SamplingFloors(Section):
    """``sampling``: the least evidence that a verdict may rest on, whatever the profile asks for."""

    evidence: ClassVar[tuple[str, ...]] = ("dataset.windows.stats",)

    min_windows: Annotated[Count, policy(Relaxes.LOWERED)] = Field(
        default=180, ge=1, description="Fewest windows in each of preview and final"
    )
    min_bootstrap_replicates: Annotated[Count, policy(Relaxes.LOWERED)] = Field(
        default=1200, ge=40, description="Fewest bootstrap replicates; 40 put one beyond each end at 95 %"
    )


class MetricsPolicy(Section):
    """Gates on the primary metric."""

    pm_ratio: RatioGate = RatioGate()
    pm_tail: TailGate = TailGate()
    accuracy: AccuracyGate = AccuracyGate()
    sampling: SamplingFloors = SamplingFloors()
