"""The thresholds that a gate is given."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real

from invarlock.tau.errors import TauError
from invarlock.tau.gate_dtype import GateDtype


@dataclass(frozen=True)
class InferenceConfig:
    """The thresholds of strict inference (seed 004).

    tau_infer: a sample with |Q| < tau_infer is bottom; finite and > 0, in the units of |Q|.
    tau_train: upper end of the gap that is watched, tau_infer <= |Q| < tau_train; finite and >= tau_infer; None
    for no gap. gate_dtype: the dtype that Q must have, float16, bfloat16, float32 or float64; None for any. A tau that
    was calibrated in one dtype promises nothing in another, so a gate refuses Q in another than this one.
    TauError (a ValueError) on anything else.

    >>> InferenceConfig(tau_infer=1e-5, tau_train=1e-4)
    InferenceConfig(tau_infer=1e-05, tau_train=0.0001, gate_dtype=None)
    """

    tau_infer: float = 1e-6
    tau_train: float | None = None
    gate_dtype: str | None = None

    def __post_init__(self) -> None:
        tau_infer = _threshold("tau_infer", self.tau_infer)
        object.__setattr__(self, "tau_infer", tau_infer)
        if self.gate_dtype is not None:
            object.__setattr__(self, "gate_dtype", _dtype(self.gate_dtype))
        if self.tau_train is None:
            return
        tau_train = _threshold("tau_train", self.tau_train)
        object.__setattr__(self, "tau_train", tau_train)
        if tau_train < tau_infer:
            raise TauError(
                f"tau_train {tau_train} is below tau_infer {tau_infer}",
                where="tau_train",
                fix="give tau_train >= tau_infer, or None for no gap",
            )


def _dtype(name: str) -> GateDtype:
    try:
        return GateDtype(name)
    except ValueError as error:
        known = ", ".join(GateDtype)
        raise TauError(
            f"gate_dtype {name!r} is none of {known}", where="gate_dtype", fix="name that of Q"
        ) from error


def _threshold(name: str, value: object) -> float:
    try:
        number = math.nan if isinstance(value, bool) or not isinstance(value, Real) else float(value)
    except OverflowError:  # an integer that no float holds
        number = math.inf
    if not 0 < number < math.inf:
        raise TauError(f"{name} {value!r} is not a finite float above 0", where=name, fix="such as 1e-5")
    return number
