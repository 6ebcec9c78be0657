"""``variance_guard``: when variance equalization may rescale a branch, and by how much."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import BeforeValidator, Field

from invarlock.policy.keys import Count, Real, Relaxes, Section, Switch, calibrated, choice, policy

FEWEST_WINDOWS = 2  # that the predictive gate can decide on: no interval comes from one


def _patterns(value: object) -> object:
    """One pattern is a list of one; a list from a file is what the strict schema calls a tuple."""
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


class Clamp(Section):
    """``clamp``: the range of a proposed scale."""

    evidence: ClassVar[tuple[str, ...]] = ("variance.proposed_scales",)

    min: Annotated[Real, policy(Relaxes.LOWERED)] = Field(
        default=0.85, gt=0, le=1, description="Smallest scale that can be proposed"
    )
    max: Annotated[Real, policy(Relaxes.RAISED)] = Field(
        default=1.12, ge=1, description="Largest scale that can be proposed"
    )


class VarianceTarget(StrEnum):
    """What a scale brings a branch's second moment to.

    baseline: its value in the unedited model, so scales follow the edit; unit: 1.0, as the reference does, whose
    scales do not depend on the edit and mostly end at the clamp (kept for comparison).
    """

    BASELINE = "baseline"
    UNIT = "unit"


class VariancePolicy(Section):
    """Knobs of variance equalization (VE) and its predictive gate."""

    evidence: ClassVar[tuple[str, ...]] = (
        "variance.{enabled,predictive_gate,ab_test,scope,proposed_scales}",
    )

    deadband: Annotated[Real, policy(Relaxes.LOWERED)] = Field(
        default=0.02, ge=0, lt=1, description="Proposed |scale - 1| below this is ignored"
    )
    min_abs_adjust: Annotated[Real, policy(Relaxes.LOWERED)] = Field(
        default=0.012,
        ge=0,
        lt=1,
        description="Floor on a module's |scale - 1| before its scale is considered",
    )
    max_scale_step: Annotated[Real, policy(Relaxes.RAISED)] = Field(
        default=0.03, ge=0, le=1, description="Largest |scale - 1| applied to a module in one run"
    )
    min_effect_lognll: Annotated[Real, calibrated(Relaxes.LOWERED, sweep="ve-sweep")] = Field(
        default=0.0, ge=0, description="Smallest gain, nats per token, that lets VE be enabled"
    )
    predictive_one_sided: Annotated[Switch, choice(False, True)] = Field(
        default=True, description="true: one-sided bound on the gain; false: two-sided confidence interval"
    )
    topk_backstop: Annotated[Count, policy(Relaxes.RAISED)] = Field(
        default=1, ge=0, description="Largest candidates kept when filtering would leave no scale; 0: none"
    )
    max_adjusted_modules: Annotated[Count, policy(Relaxes.RAISED, unlimited=(0,))] = Field(
        default=1, ge=0, description="Most modules that receive a scale in one run; 0: no limit"
    )
    tap: Annotated[tuple[str, ...], policy(Relaxes.NEVER), BeforeValidator(_patterns)] = Field(
        default=("transformer.h.*.mlp.c_proj",),
        min_length=1,
        description="Module name patterns where VE may attach",
    )
    predictive_gate: Annotated[Switch, choice(True, False)] = Field(
        default=True, description="true: VE is enabled only where the predictive A/B gate passes"
    )
    target: Annotated[VarianceTarget, choice("baseline", "unit")] = Field(
        default=VarianceTarget.BASELINE,
        description="What a branch is scaled to: the baseline's second moment, or 1.0 (unit)",
    )
    clamp: Clamp = Clamp()
    max_calib: Annotated[Count, policy(Relaxes.NEVER)] = Field(
        default=200, ge=2, description="Most windows that the calibration pool holds"
    )
    calibration_windows: Annotated[Count, policy(Relaxes.LOWERED)] = Field(
        default=8, ge=2, description="Calibration windows that the predictive gate is decided on"
    )
