"""``tau_guard``: thresholds on |Q| that were calibrated and promoted, a record for each head (design page 7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from invarlock.policy.keys import Real, Relaxes, Section, calibrated
from invarlock.tau.gate_dtype import GateDtype

# No dot, which parts the names of a key's path; a letter first, since some YAML reads 1e5 as a number and some as text.
HeadName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,63}$")]


class TauRecord(Section):
    """What a head is released with, in the units of its |Q|."""

    evidence: ClassVar[tuple[str, ...]] = ("tau_sweep_report.{calibration,tau_train}",)

    tau_infer: Annotated[Real | None, calibrated(Relaxes.LOWERED, sweep="tau-sweep", unlimited=(None,))] = (
        Field(
            default=None,
            gt=0,
            description="|Q| below it is bottom: no answer; lower accepts more censored samples; null: none",
        )
    )
    tau_train: Annotated[Real | None, calibrated(Relaxes.NEVER, sweep="tau-sweep")] = Field(
        default=None,
        gt=0,
        description="Upper end of the gap that is watched: tau_infer <= |Q| < tau_train; null: no gap",
    )

    gate_dtype: Annotated[GateDtype | None, calibrated(Relaxes.NEVER, sweep="tau-sweep")] = Field(
        default=None,
        description="Dtype of Q in which a gate compares it with both; in another one nothing is promised",
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.tau_train is not None and (self.tau_infer is None or self.tau_train < self.tau_infer):
            raise ValueError(f"tau_train {self.tau_train} needs a tau_infer that is not above it")
        if self.tau_infer is not None and self.gate_dtype is None:
            raise ValueError(f"tau_infer {self.tau_infer} needs a gate_dtype: {', '.join(GateDtype)}")
        return self


class TauPolicy(Section):
    """The tau records of a tier, by head."""

    heads: Mapping[HeadName, TauRecord] = {}
