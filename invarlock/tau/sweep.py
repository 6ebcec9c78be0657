"""The sweep: what each of many taus would do, counted in one pass over |Q| (seed 004).

A chunk's values are sorted, class by class, and the taus looked up among them. That is less work than it sounds:
numpy sorts several values at a time, while looking each value up among the taus waits for one branch after another.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from invarlock.tau.counts import ClassCounts, TauCounts
from invarlock.tau.errors import TauError
from invarlock.tau.gate_dtype import Floats, GateDtype
from invarlock.tau.samples import Samples, float_array, samples_of
from invarlock.tau.sweep_record import sweep_of


def tau_infer_sweep_from_q_abs(
    q_abs: ArrayLike, *, is_in_range: ArrayLike, taus: ArrayLike
) -> dict[str, object]:
    """Sweep candidate thresholds over cached denominator magnitudes (seed 004), as plain JSON.

    Parameters
    ----------
    q_abs: |Q| of each sample, any shape, numpy or torch, in the dtype in which the gate will compare it. NaN or
        infinity says that the sample is a fault: put NaN where P/Q is one, to have it counted.
    is_in_range: boolean, of that shape: True where the truth is in range, False where it is censored.
    taus: finite and > 0, in any order, which the answer keeps.

    Returns
    -------
    ``taus``, ``fn_in``, ``fp_cens`` and ``bottom_rate``, lists with an entry a tau, and the further keys of
    :class:`invarlock.tau.sweep_record.TauSweep`: counts, intervals, faults, reasons.

    Raises TauError, a ValueError, on shapes that differ, no data, labels that are not boolean, a negative |Q|, and
    taus that are not finite, not > 0, or underflow to 0 in the dtype of |Q|.

    >>> curves = tau_infer_sweep_from_q_abs([0.5, 2.0, 0.1, 3.0], is_in_range=[True, True, False, False], taus=[1.0])
    >>> curves["fn_in"], curves["fp_cens"], curves["bottom_rate"]
    ([0.5], [0.5], [0.5])
    """
    return sweep_of(count_taus(samples_of(q_abs, is_in_range), taus)).model_dump(mode="json")


def count_taus(samples: Samples, taus: ArrayLike) -> TauCounts:
    """Counts at each tau from one pass over ``samples``; those of shards add up. Raises as the sweep does."""
    asked = checked_taus(taus)
    compared = _rounded(asked, samples.dtype)
    order = np.argsort(compared, kind="stable")
    ascending = compared[order]
    inside, censored = _Tally(ascending), _Tally(ascending)
    for chunk in samples.chunks():
        inside.add(chunk.q_abs[chunk.is_in_range])
        censored.add(chunk.q_abs[~chunk.is_in_range])
    return TauCounts(
        dtype=samples.dtype,
        taus=tuple(asked.tolist()),
        in_range=inside.counts(order),
        censored=censored.counts(order),
    )


def checked_taus(taus: ArrayLike) -> NDArray[np.float64]:
    """``taus`` as float64, in their order. TauError unless they are finite numbers > 0, at least one."""
    values = float_array(taus, "taus")[0].astype(np.float64)
    if values.ndim != 1 or values.size == 0:
        raise TauError(f"taus has shape {values.shape}", fix="give one or more taus, as a list")
    for wrong, what in ((~np.isfinite(values), "not finite"), (values <= 0, "not above 0")):
        if wrong.any():
            raise TauError(f"tau {values[wrong][0]:g} is {what}", fix="a tau is a finite number > 0, as 1e-5")
    return values


class _Tally:
    """The samples of one class below each of ascending taus."""

    def __init__(self, taus: Floats) -> None:
        self._taus = taus
        self._below = np.zeros(len(taus), np.int64)
        self._n = self._n_fault = 0

    def add(self, values: NDArray[Any]) -> None:
        """Count ``values``, which are sorted in place."""
        values.sort()  # infinities and NaN end up behind all others
        finite = int(values.searchsorted(np.inf))
        self._below += values.searchsorted(self._taus)
        self._n += values.size
        self._n_fault += values.size - finite

    def counts(self, order: NDArray[np.intp]) -> ClassCounts:
        """In the order asked; ``order`` sorted it."""
        bottom = np.empty_like(self._below)
        bottom[order] = self._below + self._n_fault
        return ClassCounts(n=self._n, n_fault=self._n_fault, bottom=tuple(bottom.tolist()))


def _rounded(taus: NDArray[np.float64], dtype: GateDtype) -> Floats:
    compared = dtype.round(taus)
    for wrong, what in ((compared == 0, "underflows to 0"), (np.isinf(compared), "overflows")):
        if wrong.any():
            raise TauError(
                f"tau {taus[wrong][0]:g} {what} in {dtype}", fix="choose it among the |Q| of the head"
            )
    return compared
