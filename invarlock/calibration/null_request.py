"""A null sweep as an operator asks for it. Light: the command line reads it for its help."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from pydantic import Field, model_validator

from invarlock.policy.schema import Tier
from invarlock.record import Record


class NullKind(StrEnum):
    """What stands for 'nothing happened'."""

    NOOP = "noop"  # the model itself: seed 000's null
    BENIGN = "benign"  # a harmless edit that differs by seed


class CapRule(StrEnum):
    """Where caps come from."""

    MARGIN = "margin"  # kappa = max |z| (1 + margin): the seed's rule
    TOLERANCE = "tolerance"  # that, and drift caps as tolerance limits of the benign population


class NullSweepRequest(Record):
    """A null sweep as an operator asks for it; defaults are seed 000's.

    Rates are shares in [0, 1]. ``models`` replaces the config's model and pools related baselines.
    """

    config: Path = Path("configs/calibration/null_sweep_ci.yaml")
    out: Path = Path("reports/calibration/null_sweep")
    tiers: tuple[Tier, ...] = tuple(Tier)
    seeds: tuple[int, ...] = tuple(range(42, 52))
    profile: str = "ci"
    device: str | None = None
    safety_margin: float = Field(0.05, ge=0)
    target_any_warning_rate: float = Field(0.01, ge=0, le=1)
    null: NullKind = NullKind.NOOP
    cap_rule: CapRule = CapRule.MARGIN
    models: tuple[str, ...] = ()
    jobs: int = Field(1, ge=1)
    fresh: bool = False
    allow_network: bool = False
    allow_pickle: bool = False

    @model_validator(mode="after")
    def _coherent(self) -> NullSweepRequest:
        if not self.tiers or not self.seeds:
            raise ValueError("at least one tier and one seed are needed")
        if len(set(self.seeds)) != len(self.seeds) or len(set(self.tiers)) != len(self.tiers):
            raise ValueError("a tier or seed is named twice")
        if min(self.seeds) < 0:
            raise ValueError(f"seed {min(self.seeds)} is negative")
        if self.cap_rule is CapRule.TOLERANCE and self.null is not NullKind.BENIGN:
            raise ValueError("--cap-rule tolerance needs --null benign: a no-op has no drift to bound")
        return self
