"""The largest, second largest, ... of values that are too many to hold, digit by digit.

The bits of a float >= 0, read as an integer, are in the order of the floats. One pass counts the values by their
leading 16 bits, which tells the digit of the wanted one; the next pass counts those with that digit by the next 16,
and so on: two passes for float32, four for float64, and 65,536 counters whatever the rank.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from invarlock.tau.gate_dtype import Floats, GateDtype

_BITS = 16


def kth_largest(read: Callable[[], Iterable[Floats]], rank: int, dtype: GateDtype) -> float | None:
    """The ``rank``-th largest (1: the largest) of the finite values >= 0 that ``read`` gives, each time it is called.

    Ties count one by one; NaN and infinity are no values; None where there are fewer than ``rank``.
    """
    unsigned = np.dtype(f"u{dtype.storage.itemsize}")
    found = 0  # the leading bits of the value
    for shift in range(8 * unsigned.itemsize - _BITS, -1, -_BITS):
        at_least = _count(read, unsigned, found, shift)[::-1].cumsum()  # the most digit first
        place = int(at_least.searchsorted(rank))
        if place == at_least.size:
            return None
        rank -= int(at_least[place - 1]) if place else 0
        found = (found << _BITS) | (at_least.size - 1 - place)
    return float(np.array([found], unsigned).view(dtype.storage)[0])


def _count(
    read: Callable[[], Iterable[Floats]], unsigned: np.dtype[Any], found: int, shift: int
) -> NDArray[np.int64]:
    """The values that begin with ``found``, counted by their 16 bits from ``shift`` on."""
    counts = np.zeros(1 << _BITS, np.int64)
    for values in read():
        finite = np.abs(values[np.isfinite(values)])  # abs: the bits of -0 are not those of 0
        leading = finite.view(unsigned) >> unsigned.type(shift)
        same = leading[leading >> unsigned.type(_BITS) == found]  # all of them in the first pass
        digits = (same & unsigned.type(counts.size - 1)).astype(np.intp)
        counts += np.bincount(digits, minlength=counts.size)
    return counts
