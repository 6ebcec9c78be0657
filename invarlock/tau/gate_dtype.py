"""The floating-point types that a gate compares |Q| and tau in, without torch."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.floating[Any]]


class GateDtype(StrEnum):
    """The dtype of Q. NumPy has no bfloat16: its values are kept in float32, which holds them all."""

    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"
    FLOAT32 = "float32"
    FLOAT64 = "float64"

    @property
    def storage(self) -> np.dtype[Any]:
        """The NumPy dtype that keeps the values."""
        return np.dtype(np.float32 if self is GateDtype.BFLOAT16 else self.value)

    @property
    def smallest_normal(self) -> float:
        """The smallest number above 0 that keeps all its digits; some runtimes take smaller ones for 0."""
        return float(np.finfo(self.storage).smallest_normal)  # bfloat16 has the exponents of float32

    def round(self, values: ArrayLike) -> Floats:
        """``values`` as torch rounds them: to nearest, ties to even, and to a half by way of float32.

        No copy where none is needed.
        """
        given = np.asarray(values)
        with np.errstate(over="ignore"):  # a value too large becomes infinite, which is the caller's to judge
            if self is GateDtype.FLOAT16 and given.dtype.itemsize > 4:
                given = given.astype(np.float32)
            stored: Floats = given.astype(self.storage, copy=False)
        return _to_bfloat16(stored) if self is GateDtype.BFLOAT16 else stored

    def next_above(self, value: float) -> float:
        """The smallest value above ``value`` >= 0, itself of this type; infinite above the largest.

        >>> GateDtype.BFLOAT16.next_above(1.0), GateDtype.FLOAT64.next_above(0.0)
        (1.0078125, 5e-324)
        """
        if self is not GateDtype.BFLOAT16:
            with np.errstate(over="ignore"):
                return float(np.nextafter(self.storage.type(value), self.storage.type(np.inf)))
        bits = np.array([value], np.float32).view(np.uint32) + np.uint32(1 << 16)
        return float(bits.view(np.float32)[0])

    def holds(self, other: GateDtype) -> bool:
        """Whether every value of ``other`` is one of this type."""
        order = (GateDtype.FLOAT16, GateDtype.BFLOAT16, GateDtype.FLOAT32, GateDtype.FLOAT64)
        halves = order[:2]
        return self is other or (order.index(self) > order.index(other) and self not in halves)


def _to_bfloat16(values: Floats) -> Floats:
    """float32 ``values`` with 16 bits fewer: half of the last kept bit is added, less one where that bit is 0."""
    bits = values.view(np.uint32)
    last_kept = (bits >> np.uint32(16)) & np.uint32(1)
    rounded = (bits + np.uint32(0x7FFF) + last_kept) & np.uint32(0xFFFF0000)
    # A NaN would carry into the sign or become infinite; it stays what it is.
    kept: Floats = np.where(np.isnan(values), values, rounded.view(np.float32))
    return kept
