"""Proposed scales: which branches variance equalization would rescale, and by how much (design page 4).

Pure: branch moments of two arms and a policy in, a proposal out. Whether it is worth anything is for the
predictive gate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import StrEnum
from fnmatch import fnmatchcase

from pydantic import Field

from invarlock.errors import DataError, PolicyError
from invarlock.guards.branch_moments import tap_moment
from invarlock.measure.branch_records import BranchMoments, Factor, Tap, VirtualScales
from invarlock.metrics.paired_windows import require_same_windows
from invarlock.policy.variance import VariancePolicy, VarianceTarget
from invarlock.record import Record


class Dropped(StrEnum):
    """Why a branch gets no factor: the policy key that it failed, in the order they are applied."""

    DEADBAND = "deadband"
    MIN_ABS_ADJUST = "min_abs_adjust"
    ZERO_STEP = "zero_step"  # the factor would be exactly 1: nothing to change, or max_scale_step is 0
    NOT_AMONG_LARGEST = "not_among_largest"


class TapMoments(Record):
    """One branch. target, edited: second moments; alpha: sqrt(target / edited); clamped: alpha within the clamp."""

    tap: Tap
    target: float = Field(gt=0.0)
    edited: float = Field(gt=0.0)
    alpha: float
    clamped: float

    @property
    def size(self) -> float:
        """|clamped - 1|: what the largest are chosen by."""
        return abs(self.clamped - 1.0)

    def below(self, threshold: float) -> bool:
        """|clamped - 1| < threshold, by its ends: the difference in floats puts 0.9 nearer to 1 than 1.1."""
        return 1.0 - threshold < self.clamped < 1.0 + threshold

    def above(self, threshold: float) -> bool:
        """|clamped - 1| > threshold, likewise."""
        return not 1.0 - threshold <= self.clamped <= 1.0 + threshold


class TapProposal(TapMoments):
    """What is proposed for one branch: a factor, or why none.

    backstop: only ``topk_backstop`` brought it back.
    """

    factor: Factor | None
    dropped: Dropped | None
    backstop: bool


class ScaleProposal(Record):
    """Every branch that was considered, in the order of the taps; windows: ids that the moments are over."""

    target: VarianceTarget
    windows: tuple[str, ...]
    taps: tuple[TapProposal, ...]

    @property
    def scales(self) -> VirtualScales | None:
        """The proposed factors by tap module; None when there are none."""
        factors = {each.tap.module: each.factor for each in self.taps if each.factor is not None}
        return VirtualScales(factors=factors) if factors else None


def matches(tap: Tap, patterns: Sequence[str]) -> bool:
    """Whether a pattern (fnmatch, case-sensitive) fits the tap's module or its GPT-2 spelling."""
    return any(fnmatchcase(name, pattern) for name in (tap.module, tap.canonical) for pattern in patterns)


def matching_taps(taps: Sequence[Tap], patterns: Sequence[str]) -> tuple[Tap, ...]:
    """The taps that a pattern fits, in their order. PolicyError when there is none."""
    found = tuple(tap for tap in taps if matches(tap, patterns))
    if not found:
        some = ", ".join(tap.module for tap in taps[:3]) or "none"
        raise PolicyError(
            f"{', '.join(patterns)} matches none of the model's {len(taps)} taps, such as: {some}",
            where="variance_guard.tap",
            fix="name taps as the model or GPT-2 spells them; * stands for any text",
        )
    return found


def propose_scales(
    baseline: Sequence[BranchMoments],
    edited: Sequence[BranchMoments],
    taps: Sequence[Tap],
    policy: VariancePolicy,
) -> ScaleProposal:
    """Factors that bring branches of the edited model back to their target, within the policy.

    alpha = sqrt(m2_target / m2_edited) of the robust second moments, at each of ``taps`` that ``policy.tap`` names.
    It is clamped; kept when |alpha - 1| >= deadband and >= min_abs_adjust; limited to 1 -+ max_scale_step. Where
    none is kept, the topk_backstop largest above half of both thresholds are. At last the max_adjusted_modules
    largest stay, by |alpha - 1| before the step limit (which makes most of them equal), ties by name.

    Raises PolicyError when no tap is named, DataError when the arms' windows differ or repeat or there are none,
    MeasurementError for a moment that is missing, not finite or 0.
    """
    considered = matching_taps(taps, policy.tap)
    require_same_windows(baseline, edited, arms=("the baseline", "the edited model"))
    if not edited:
        raise DataError("no windows to propose scales from", fix="ask for calibration windows")
    measured = [_measure(tap, baseline, edited, policy) for tap in considered]
    return ScaleProposal(
        target=policy.target,
        windows=tuple(window.window_id for window in edited),
        taps=choose_factors(measured, policy),
    )


def choose_factors(measured: Sequence[TapMoments], policy: VariancePolicy) -> tuple[TapProposal, ...]:
    """The factor of each branch, or why it gets none; see :func:`propose_scales`."""
    kept = [each for each in measured if _too_small(each, policy) is None]
    candidates = kept or _backstop(measured, policy)
    adjusted = _largest(candidates, policy.max_adjusted_modules or len(candidates))
    return tuple(
        TapProposal(
            **dict(each),
            factor=_limited(each.clamped, policy) if each in adjusted else None,
            dropped=None if each in adjusted else _too_small(each, policy) or Dropped.NOT_AMONG_LARGEST,
            backstop=each in adjusted and not kept,
        )
        for each in measured
    )


def _measure(
    tap: Tap, baseline: Sequence[BranchMoments], edited: Sequence[BranchMoments], policy: VariancePolicy
) -> TapMoments:
    unit = policy.target is VarianceTarget.UNIT
    target = 1.0 if unit else tap_moment(tap, baseline, arm="the baseline")
    return compare_moments(tap, target, tap_moment(tap, edited, arm="the edited model"), policy)


def compare_moments(tap: Tap, target: float, edited: float, policy: VariancePolicy) -> TapMoments:
    """What a branch with second moment ``edited`` would be scaled by to have ``target``; both above 0."""
    alpha = math.sqrt(target) / math.sqrt(edited)
    clamped = min(max(alpha, policy.clamp.min), policy.clamp.max)
    return TapMoments(tap=tap, target=target, edited=edited, alpha=alpha, clamped=clamped)


def _limited(clamped: float, policy: VariancePolicy) -> float:
    return min(max(clamped, 1.0 - policy.max_scale_step), 1.0 + policy.max_scale_step)


def _too_small(measured: TapMoments, policy: VariancePolicy) -> Dropped | None:
    if measured.below(policy.deadband):
        return Dropped.DEADBAND
    if measured.below(policy.min_abs_adjust):
        return Dropped.MIN_ABS_ADJUST
    return Dropped.ZERO_STEP if _limited(measured.clamped, policy) == 1.0 else None


def _backstop(measured: Sequence[TapMoments], policy: VariancePolicy) -> list[TapMoments]:
    floor = max(policy.deadband, policy.min_abs_adjust) / 2
    candidates = [each for each in measured if each.above(floor) and _limited(each.clamped, policy) != 1.0]
    return _largest(candidates, policy.topk_backstop)


def _largest(measured: Sequence[TapMoments], count: int) -> list[TapMoments]:
    return sorted(measured, key=lambda each: (-each.size, each.tap.module))[:count]
