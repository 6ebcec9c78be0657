"""Strict inference: P/Q where |Q| is large enough, bottom elsewhere, and why (design page 7).

    fault    = P or Q is not finite, or P/Q overflows (Q not 0)
    semantic = Q == 0 or |Q| < tau_infer
    bottom   = fault or semantic
    gap      = tau_infer <= |Q| < tau_train, and not bottom
    decoded  = P/Q off the bottom, NaN on it

The thresholds are rounded to Q's type first (:mod:`invarlock.tau.thresholds`).
"""

from __future__ import annotations

import math
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from invarlock.tau.errors import TauError
from invarlock.tau.inference_config import InferenceConfig
from invarlock.tau.thresholds import Thresholds, dtype_of, thresholds_in

A = TypeVar("A")


class StrictInference(NamedTuple, Generic[A]):
    """What a gate says of each sample; all of the shape of Q.

    decoded: in Q's type, NaN on the bottom; the four masks are boolean; bottom_provenance: uint8, 0 finite,
    1 fault, 2 semantic, 3 both.
    """

    decoded: A
    bottom_mask: A
    gap_mask: A
    fault_mask: A
    semantic_bottom_mask: A
    bottom_provenance: A


def strict_inference(
    p: NDArray[Any], q: NDArray[Any], config: InferenceConfig
) -> StrictInference[NDArray[Any]]:
    """Decode numpy arrays of numerators and denominators, of any equal shape and one floating type.

    TauError (a ValueError) on anything else, and when tau_infer underflows to 0 in that type.
    """
    thresholds = thresholds_for(p, q, config, np.ndarray)
    with np.errstate(all="ignore"):  # what overflows or is not a number is what the masks tell
        return masks(p, q, thresholds, np)


def thresholds_for(p: Any, q: Any, config: InferenceConfig, kind: type) -> Thresholds:
    """``config`` in the type of P and Q. TauError when they are not of ``kind``, do not pair, or cannot hold it."""
    for name, array in (("P", p), ("Q", q)):
        if not isinstance(array, kind):
            raise TauError(
                f"{name} is {type(array).__name__}, no {kind.__name__}", fix=f"give a {kind.__name__}"
            )
    if p.shape != q.shape:
        raise TauError(
            f"P has shape {tuple(p.shape)} and Q has {tuple(q.shape)}", fix="a head gives one P for each Q"
        )
    if p.dtype != q.dtype:
        raise TauError(f"P is {p.dtype} and Q is {q.dtype}", fix="give both in one floating type")
    return thresholds_in(dtype_of(q), config)


def masks(p: Any, q: Any, thresholds: Thresholds, xp: Any) -> StrictInference[Any]:
    """The formulas above, once for both: ``xp`` is numpy or torch, P and Q its arrays."""
    # In Q's type, not as Python floats: an exporter would keep those as float32, and cut a float64 elsewhere.
    tau_infer, tau_train, nan = (xp.asarray(value, dtype=q.dtype) for value in (*thresholds, math.nan))
    magnitude = xp.abs(q)
    quotient = p / q
    semantic = (q == 0) | (magnitude < tau_infer)
    fault = ~(xp.isfinite(p) & xp.isfinite(q)) | ((q != 0) & ~xp.isfinite(quotient))
    bottom = fault | semantic
    return StrictInference(
        decoded=xp.where(bottom, nan, quotient),
        bottom_mask=bottom,
        gap_mask=(magnitude < tau_train) & ~bottom,
        fault_mask=fault,
        semantic_bottom_mask=semantic,
        bottom_provenance=xp.asarray(fault, dtype=xp.uint8) + 2 * xp.asarray(semantic, dtype=xp.uint8),
    )
