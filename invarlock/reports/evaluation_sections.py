"""Guard sections of an evaluation report: a guard's entry, its metrics one level up (the names of seeds 001-003)."""

from __future__ import annotations

from collections.abc import Mapping

from invarlock.families import Family
from invarlock.guards.report import GuardOutcome, InvariantsMetrics, Unjudged
from invarlock.guards.rmt_metrics import RmtMetrics
from invarlock.guards.spectral_metrics import (
    FamilyStatistics,
    FamilyZQuantiles,
    FamilyZSummary,
    SpectralMetrics,
)
from invarlock.guards.variance_metrics import VarianceMetrics
from invarlock.record import Record


class UnjudgedSection(GuardOutcome, Unjudged):
    """A guard that could not judge, a block; of the variance guard: one that was not asked, allow."""


class InvariantsSection(GuardOutcome, InvariantsMetrics):
    """``invariants``."""


class FamilyCap(Record):
    """A cap as reports spell it."""

    kappa: float


class SpectralSummary(Record):
    """``spectral.summary``."""

    modules_checked: int
    caps_applied: int
    max_caps: int
    caps_exceeded: bool


class SpectralFamily(FamilyZSummary):
    """``spectral.families.*``: signed z-scores, with the baseline's statistics and the quantiles of |z|."""

    baseline: FamilyStatistics
    quantiles: FamilyZQuantiles


class SpectralSection(GuardOutcome, SpectralMetrics):
    """``spectral``."""

    summary: SpectralSummary
    families: Mapping[Family, SpectralFamily]
    family_caps: Mapping[Family, FamilyCap]


class RmtSection(GuardOutcome, RmtMetrics):
    """``rmt``."""


class VarianceSection(GuardOutcome, VarianceMetrics):
    """``variance``."""
