"""``spectral_guard``: how far weight spectra may stand out."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import BeforeValidator, Field

from invarlock.families import Family
from invarlock.policy.keys import Count, Real, Relaxes, Section, calibrated, choice, policy


class Scope(StrEnum):
    """Families that the guard judges."""

    ALL = "all"
    FFN = "ffn"
    ATTN = "attn"
    EMBED = "embed"
    OTHER = "other"

    def covers(self, family: Family) -> bool:
        """Whether modules of ``family`` are judged."""
        return self is Scope.ALL or self.value == family.value


class Correction(StrEnum):
    """How warnings are corrected for looking at several families."""

    BONFERRONI = "bonferroni"
    BH = "bh"


def _bare_kappa(value: object) -> object:
    """``{kappa: x}``, as some reports spell a cap, is ``x``."""
    return value["kappa"] if isinstance(value, Mapping) and set(value) == {"kappa"} else value


Kappa = Annotated[Real, Field(ge=0), BeforeValidator(_bare_kappa)]


class MultipleTesting(Section):
    """``multiple_testing``: which families' candidates become warnings."""

    evidence: ClassVar[tuple[str, ...]] = ("spectral.multiple_testing", "spectral.multiple_testing_selection")

    method: Annotated[Correction, choice("bh", "bonferroni")] = Field(
        default=Correction.BH,
        description="bh: Benjamini-Hochberg false discovery rate; bonferroni: family-wise error",
    )
    alpha: Annotated[Real, calibrated(Relaxes.LOWERED, sweep="null-sweep")] = Field(
        default=0.05, gt=0, lt=1, description="Error rate of the correction; lower selects fewer families"
    )
    m: Annotated[Count, policy(Relaxes.RAISED)] = Field(
        default=4, ge=1, description="Families that the correction counts, at least as many as were tested"
    )


Limit = Annotated[Real | None, calibrated(Relaxes.RAISED, sweep="null-sweep", unlimited=(None,))]


class DriftCap(Section):
    """``drift_caps`` of one family: how far a module may have moved from the baseline."""

    evidence: ClassVar[tuple[str, ...]] = ("spectral.drift", "validation.spectral_stable")

    log_sigma: Limit = Field(
        default=None, ge=0, description="Largest |log(sigma_max / baseline sigma_max)|; null: no limit"
    )
    relative_change: Limit = Field(
        default=None, ge=0, description="Largest ||W - W_base||_F / ||W_base||_F; null: no limit"
    )
    edit_edge: Limit = Field(
        default=None,
        ge=0,
        description="Largest sigma_max(D) / (rms(D) (sqrt m + sqrt n)) of D = W - W_base; noise is near 1; "
        "null: no limit",
    )


class SpectralPolicy(Section):
    """Thresholds on weight spectra."""

    evidence: ClassVar[tuple[str, ...]] = (
        "spectral.{summary,families,family_caps,caps_applied}",
        "validation.spectral_stable",
    )

    sigma_quantile: Annotated[Real, calibrated(Relaxes.RAISED)] = Field(
        default=0.95, gt=0, lt=1, description="Baseline quantile that defines the reference sigma of a family"
    )
    deadband: Annotated[Real, policy(Relaxes.RAISED)] = Field(
        default=0.10,
        gt=0,
        description="Relative sigma change that reads z = 0 in a family without spread, and divides above it",
    )
    scope: Annotated[Scope, choice("all")] = Field(
        default=Scope.ALL, description="Families judged: all, or one by name"
    )
    max_caps: Annotated[Count, policy(Relaxes.RAISED)] = Field(
        default=5, ge=0, description="Warnings that a run may have; one more blocks"
    )
    max_spectral_norm: Annotated[Real | None, policy(Relaxes.RAISED, unlimited=(None,))] = Field(
        default=None, gt=0, description="Absolute limit on sigma_max, fatal above it; null: none"
    )
    family_caps: Annotated[Mapping[Family, Kappa], calibrated(Relaxes.RAISED, sweep="null-sweep")] = Field(
        default={Family.FFN: 3.849, Family.ATTN: 3.018, Family.EMBED: 1.05, Family.OTHER: 0.0},
        description="kappa: a module with |z| above it is a candidate for a warning",
    )
    multiple_testing: MultipleTesting = MultipleTesting()
    drift_caps: Mapping[Family, DriftCap] | None = Field(
        default=None, description="Limits on movement from the baseline; null: recorded, not gated"
    )
