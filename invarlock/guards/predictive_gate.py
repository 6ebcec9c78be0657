"""The predictive gate: does virtual variance equalization lower the loss on windows it is judged by? (Seed 003.)

A is the edited model, B the edited model under virtual scales, both on the same windows. Pure: losses and a policy
in, a decision with its reason out.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from invarlock.errors import DataError
from invarlock.measure.branch_records import VirtualScales
from invarlock.measure.records import WindowLoss
from invarlock.metrics.paired_windows import pair_losses
from invarlock.policy.variance import FEWEST_WINDOWS, VariancePolicy
from invarlock.record import Record
from invarlock.stats.paired_interval import paired_interval


class GateReason(StrEnum):
    """Why the gate passed or not. After ``disabled``, in order: the first that holds is the reason."""

    DISABLED = "disabled"
    NO_CALIBRATION = "no_calibration"
    INSUFFICIENT_COVERAGE = "insufficient_coverage"
    NO_SCALES = "no_scales"
    CI_UNAVAILABLE = "ci_unavailable"
    CI_CONTAINS_ZERO = "ci_contains_zero"
    REGRESSION_DETECTED = "regression_detected"
    MEAN_NOT_NEGATIVE = "mean_not_negative"
    GAIN_BELOW_THRESHOLD = "gain_below_threshold"
    CI_GAIN_MET = "ci_gain_met"


class PredictiveGate(Record):
    """The decision and its numbers, in nats per token; None where there is no interval (``evaluated`` false).

    passed: variance equalization may be enabled; delta_ci: of the token-weighted mean of B - A, each end a one-sided
    95 % bound when one_sided, else both together a 95 % interval; gain_ci: (-upper, -lower); deviation: estimate of
    a window's standard deviation; windows: how many it rests on.
    """

    evaluated: bool
    passed: bool
    reason: GateReason
    delta_ci: tuple[float, float] | None
    gain_ci: tuple[float, float] | None
    mean_delta: float | None
    ci_method: str | None
    min_effect_lognll: float
    one_sided: bool
    deviation: float | None
    windows: int


def decide_gate(
    scales: VirtualScales | None,
    edited: Sequence[WindowLoss],
    equalized: Sequence[WindowLoss],
    *,
    asked: int,
    policy: VariancePolicy,
) -> PredictiveGate:
    """Decide from losses of A (``edited``) and B (``equalized``, empty where B was not run).

    asked: calibration windows that were asked for. Raises DataError when the arms' windows differ or repeat or there
    are more than asked, MeasurementError for a loss that is not finite, with window ids and arm.
    """
    if len(edited) > asked:
        raise DataError(
            f"{len(edited)} calibration windows for a gate of {asked}", fix=f"give the first {asked}"
        )
    missing = _nothing_to_judge(scales, len(edited), asked, policy)
    if missing is not None:
        return _not_evaluated(missing, len(edited), policy)
    pairs = pair_losses(equalized, edited, arms=("B (virtual scales)", "A (edited)"))
    interval = paired_interval(pairs.deltas, pairs.tokens, one_sided=policy.predictive_one_sided)
    reason = weigh_interval(
        interval.mean, (interval.lower, interval.upper), min_effect=policy.min_effect_lognll
    )
    if reason is GateReason.CI_UNAVAILABLE:
        return _not_evaluated(reason, len(edited), policy)
    return PredictiveGate(
        evaluated=True,
        passed=reason is GateReason.CI_GAIN_MET,
        reason=reason,
        delta_ci=(interval.lower, interval.upper),
        gain_ci=(-interval.upper, -interval.lower),
        mean_delta=interval.mean,
        ci_method=interval.method,
        min_effect_lognll=policy.min_effect_lognll,
        one_sided=policy.predictive_one_sided,
        deviation=interval.deviation,
        windows=len(edited),
    )


def weigh_interval(mean: float, delta_ci: tuple[float, float], *, min_effect: float) -> GateReason:
    """The reason that an interval of B - A gives, nats per token; ``ci_gain_met`` alone lets the gate pass.

    It passes when the interval excludes 0, its upper end <= -min_effect and its mean <= -min_effect. An interval
    that touches 0 contains it. One without a width is none (``ci_unavailable``): windows that all moved alike show
    no spread, so nothing says how far their mean can be off, be they two that agree by chance or all exactly 0.

    >>> weigh_interval(-0.002, (-0.003, -0.001), min_effect=0.0).value
    'ci_gain_met'
    """
    lower, upper = delta_ci
    if lower == upper:
        return GateReason.CI_UNAVAILABLE
    if lower <= 0.0 <= upper:
        return GateReason.CI_CONTAINS_ZERO
    if lower > min_effect:
        return GateReason.REGRESSION_DETECTED
    if mean >= 0.0:
        return GateReason.MEAN_NOT_NEGATIVE
    if upper > -min_effect or mean > -min_effect:
        return GateReason.GAIN_BELOW_THRESHOLD
    return GateReason.CI_GAIN_MET


def _not_evaluated(reason: GateReason, windows: int, policy: VariancePolicy) -> PredictiveGate:
    return PredictiveGate(
        evaluated=False,
        passed=False,
        reason=reason,
        delta_ci=None,
        gain_ci=None,
        mean_delta=None,
        ci_method=None,
        min_effect_lognll=policy.min_effect_lognll,
        one_sided=policy.predictive_one_sided,
        deviation=None,
        windows=windows,
    )


def _nothing_to_judge(
    scales: VirtualScales | None, windows: int, asked: int, policy: VariancePolicy
) -> GateReason | None:
    if not policy.predictive_gate:
        return GateReason.DISABLED
    if windows == 0:
        return GateReason.NO_CALIBRATION
    if windows < asked:
        return GateReason.INSUFFICIENT_COVERAGE
    if scales is None:
        return GateReason.NO_SCALES
    return GateReason.CI_UNAVAILABLE if windows < FEWEST_WINDOWS else None
