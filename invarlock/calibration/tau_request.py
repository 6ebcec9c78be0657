"""A tau sweep as an operator asks for it."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from invarlock.policy.schema import Tier
from invarlock.policy.tau import HeadName
from invarlock.record import Record
from invarlock.tau.gate_dtype import GateDtype


class TauSweepRequest(Record):
    """Design page 7's tau-sweep.

    q_abs, labels, ids: files as :func:`invarlock.tau.read_q_abs.read_q_abs` reads them. rows_are_samples: the claim
    that, without ids, every row is a sample of its own; a promotion takes one or the other. taus: to sweep, and to
    choose from; none for a table of its own and a choice among all values of the gate's dtype. max_fp and its
    companions: see :class:`invarlock.tau.requirement.Requirement`, whose confidence stands where none is asked for;
    without max_fp nothing is recommended. head, tiers: under which names the policy keeps the recommendation.
    seed, calibration_share: of the split by sample id.
    """

    q_abs: Path
    labels: Path | None = None
    ids: Path | None = None
    q_column: str = "q_abs"
    label_column: str = "is_in_range"
    id_column: str | None = None
    rows_are_samples: bool = False
    gate_dtype: GateDtype | None = None
    taus: tuple[float, ...] = ()
    max_fp: float | None = None
    confidence: float | None = None
    max_fn: float | None = None
    max_bottom: float | None = None
    tau_train_multiple: float | None = Field(None, ge=1)
    target_gap_rate: float | None = Field(None, gt=0, lt=1)
    head: HeadName = "default"
    tiers: tuple[Tier, ...] = tuple(Tier)
    seed: int = Field(0, ge=0, lt=1 << 64)
    calibration_share: float = Field(0.5, gt=0, lt=1)
    out: Path = Path("reports/calibration/tau_sweep")
    fresh: bool = False

    @model_validator(mode="after")
    def _go_together(self) -> Self:
        if not self.tiers or len(set(self.tiers)) < len(self.tiers):
            raise ValueError("name each tier once, and at least one")
        if self.tau_train_multiple is not None and self.target_gap_rate is not None:
            raise ValueError("tau_train has one rule: a multiple of tau_infer, or a target gap rate")
        if self.max_fp is None:
            asked = ("confidence", "max_fn", "max_bottom", "tau_train_multiple", "target_gap_rate")
            if idle := [name for name in asked if getattr(self, name) is not None]:
                raise ValueError(f"{', '.join(idle)} needs max_fp: without it nothing is recommended")
        return self
