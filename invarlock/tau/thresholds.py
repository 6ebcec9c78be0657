"""What a gate compares |Q| with: the thresholds as Q's type holds them.

They are rounded once, by :meth:`GateDtype.round`, and handed on as floats that the type holds exactly, so that
numpy, torch and an exported graph compare with the same number. (Left to themselves they do not: a float64 becomes
a float16 in one step here and by way of float32 there.)
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from invarlock.tau.errors import TauError
from invarlock.tau.gate_dtype import GateDtype
from invarlock.tau.inference_config import InferenceConfig


class Thresholds(NamedTuple):
    """Exact in Q's type, in the units of |Q|; tau_train is tau_infer where there is no gap."""

    tau_infer: float
    tau_train: float

    @property
    def use_gap(self) -> bool:
        """Whether any |Q| can lie in the gap."""
        return self.tau_train > self.tau_infer


def thresholds_in(dtype: GateDtype, config: InferenceConfig) -> Thresholds:
    """``config`` as a gate of type ``dtype`` compares with it.

    TauError when it is no config, or one of another dtype; and when tau_infer underflows to 0 or a threshold overflows:
    the gate would be open, or shut, to all.
    """
    ensure_config(config)
    if config.gate_dtype not in (None, dtype):
        raise TauError(
            f"the tau was calibrated for a {config.gate_dtype} gate, and Q is {dtype}",
            where="gate_dtype",
            fix=f"calibrate it on the {dtype} |Q| that this head gives",
        )
    tau_infer = _rounded(dtype, "tau_infer", config.tau_infer)
    if tau_infer == 0.0:
        raise TauError(
            f"tau_infer {config.tau_infer} underflows to 0 in {dtype}: no |Q| would be below it",
            where="tau_infer",
            fix=f"the smallest above 0 there is {dtype.next_above(0.0)}",
        )
    if config.tau_train is None:
        return Thresholds(tau_infer, tau_infer)
    return Thresholds(tau_infer, _rounded(dtype, "tau_train", config.tau_train))


def ensure_config(config: object) -> None:
    """TauError when ``config`` is no :class:`InferenceConfig`."""
    if not isinstance(config, InferenceConfig):
        raise TauError(
            f"config is {type(config).__name__}, no InferenceConfig",
            fix="such as InferenceConfig(tau_infer=1e-5)",
        )


def _rounded(dtype: GateDtype, name: str, value: float) -> float:
    rounded = float(dtype.round(value))
    if math.isinf(rounded):
        raise TauError(
            f"{name} {value} overflows in {dtype}: every finite |Q| would be below it",
            where=name,
            fix="choose it among the |Q| that the head gives",
        )
    return rounded


def dtype_of(array: object) -> GateDtype:
    """The type of a numpy array or torch tensor. TauError when a gate cannot compare in it."""
    dtype = getattr(array, "dtype", type(array).__name__)
    if isinstance(dtype, np.dtype):
        dtype = dtype.newbyteorder("=")  # the order of a number's bytes is no other type
    name = str(dtype).removeprefix("torch.")
    try:
        return GateDtype(name)
    except ValueError as error:
        raise TauError(
            f"a gate compares floating numbers, not {name}",
            fix="give P and Q as float16, bfloat16, float32 or float64",
        ) from error
