"""What a recommendation says, with everything that a reviewer needs to check it."""

from __future__ import annotations

from enum import StrEnum

from invarlock.record import Record
from invarlock.tau.gate_dtype import GateDtype
from invarlock.tau.requirement import Requirement
from invarlock.tau.tau_point import TauPoint


class Status(StrEnum):
    """ok: the requirement is met; insufficient_data: too few samples to say; infeasible: no tau meets it."""

    OK = "ok"
    INSUFFICIENT_DATA = "insufficient_data"
    INFEASIBLE = "infeasible"


class Rule(StrEnum):
    """exact: over every value of the gate's dtype; grid: over the taus that were given."""

    EXACT = "exact"
    GRID = "grid"


class Constraint(StrEnum):
    """The part of a requirement that stands in the way."""

    MAX_FP = "max_fp"
    MAX_FN = "max_fn"
    MAX_BOTTOM = "max_bottom"


class TauRecommendation(Record):
    """The smallest tau that meets a requirement, or why there is none.

    tau_infer: exact in ``dtype``; None unless the status is ok; binding: what stands in the way, None when ok.
    n_cens: censored samples of the calibration split, faults included; n_needed: the fewest that can show
    ``max_fp`` with that confidence; k: the most of the n_cens that may be accepted, None below n_needed.
    calibration: the calibration split at the smallest tau that meets max_fp, which is tau_infer where that is
    not None; None where there is no such tau. statement: all of it in a sentence.
    """

    status: Status
    tau_infer: float | None
    binding: Constraint | None
    requirement: Requirement
    rule: Rule
    grid: tuple[float, ...] | None
    dtype: GateDtype
    n_cens: int
    n_needed: int
    k: int | None
    calibration: TauPoint | None
    statement: str
