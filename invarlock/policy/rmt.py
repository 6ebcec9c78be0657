"""``rmt_guard``: how far the edge of activations may move."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field

from invarlock.families import Family
from invarlock.policy.keys import Real, Relaxes, Section, calibrated, policy

Epsilon = Annotated[Real, Field(ge=0)]


class RmtPolicy(Section):
    """Acceptance band of the activation edge risk."""

    evidence: ClassVar[tuple[str, ...]] = (
        "rmt.{status,stable,families,epsilon_by_family,epsilon_violations}",
        "validation.rmt_stable",
    )

    deadband: Annotated[Real, policy(Relaxes.RAISED)] = Field(
        default=0.10,
        ge=0,
        description="Change that the outlier diagnostics ignore (apart from the epsilon band)",
    )
    margin: Annotated[Real, policy(Relaxes.RAISED)] = Field(
        default=1.5,
        gt=0,
        description="Multiplier of the outlier diagnostics; higher tolerates more before flagging",
    )
    epsilon_default: Annotated[Real, calibrated(Relaxes.RAISED)] = Field(
        default=0.01, ge=0, description="epsilon of a family that has none of its own"
    )
    epsilon_by_family: Annotated[Mapping[Family, Epsilon], calibrated(Relaxes.RAISED, sweep="rmt-sweep")] = (
        Field(
            default=dict.fromkeys(Family, 0.01),
            description="Acceptance band: edge risk at most (1 + epsilon) times the baseline's",
        )
    )
