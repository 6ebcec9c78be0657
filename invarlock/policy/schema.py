"""The policy of a tier: every threshold and floor that a verdict can rest on."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field, PlainSerializer

from invarlock.policy.keys import Section
from invarlock.policy.metrics import MetricsPolicy, TailMode
from invarlock.policy.rmt import RmtPolicy
from invarlock.policy.spectral import Correction, DriftCap, MultipleTesting, Scope, SpectralPolicy
from invarlock.policy.tau import TauPolicy
from invarlock.policy.variance import VariancePolicy

__all__ = [
    "Correction",
    "DriftCap",
    "GuardOverrides",
    "MetricsPolicy",
    "MultipleTesting",
    "RmtPolicy",
    "Scope",
    "SpectralPolicy",
    "TailMode",
    "TauPolicy",
    "Tier",
    "TierPolicy",
    "VariancePolicy",
]


class Tier(StrEnum):
    """How strict: aggressive is for research and outside the published assurance."""

    BALANCED = "balanced"
    CONSERVATIVE = "conservative"
    AGGRESSIVE = "aggressive"


class TierPolicy(Section):
    """One tier, in the form of ``resolved_policy`` in reports and ``guards:`` in configs and profiles."""

    metrics: MetricsPolicy = MetricsPolicy()
    spectral: SpectralPolicy = SpectralPolicy()
    rmt: RmtPolicy = RmtPolicy()
    variance: VariancePolicy = VariancePolicy()
    # Without records it is not spelled, so that a policy that has none keeps its digest (decision 0134).
    tau: TauPolicy = Field(default=TauPolicy(), exclude_if=lambda tau: not tau.heads)


# The ``guards:`` of a config or profile. Written back with only the keys that were given: written in full, a
# tier's defaults would come back as overrides of every other tier.
GuardOverrides = Annotated[TierPolicy, PlainSerializer(TierPolicy.given)]
