"""The sweep: what each of many taus would do, counted in one pass over |Q| (seed 004).

A chunk's values are sorted in the processor's cache and the taus looked up among them. That is less work than it
sounds: numpy sorts several values at a time, while looking each value up among the taus waits for one branch after
another.
"""

from __future__ import annotations

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
    tally = _Tally(compared[order])
    for _, q_abs, is_in_range in samples.chunks():
        tally.add(q_abs, is_in_range)
    inside, censored = tally.counts(order)
    return TauCounts(dtype=samples.dtype, taus=tuple(asked.tolist()), in_range=inside, censored=censored)


def checked_taus(taus: ArrayLike, *, where: str = "taus") -> NDArray[np.float64]:
    """``taus`` as float64, in their order. TauError unless they are finite numbers > 0, at least one.

    where: what an error names.
    """
    values = float_array(taus, "taus")[0].astype(np.float64)
    if values.ndim != 1 or values.size == 0:
        raise TauError(f"taus has shape {values.shape}", where=where, fix="give one or more taus, as a list")
    for wrong, what in ((~np.isfinite(values), "not finite"), (values <= 0, "not above 0")):
        if wrong.any():
            raise TauError(
                f"tau {values[wrong][0]:g} is {what}",
                where=where,
                fix="a tau is a finite number > 0, as 1e-5",
            )
    return values


class _Tally:
    """Samples, faults and samples accepted at each of ascending taus; in range first, then censored."""

    def __init__(self, taus: Floats) -> None:
        self._taus = taus
        # Of the dtype of the values, which searchsorted would otherwise copy into that of what it looks up.
        self._infinity = taus.dtype.type(np.inf)
        self._accepted = np.zeros((2, taus.size), np.int64)
        self._n, self._n_fault = np.zeros(2, np.int64), np.zeros(2, np.int64)

    def add(self, q_abs: Floats, is_in_range: NDArray[np.bool_]) -> None:
        """Count some samples."""
        values = _signed(q_abs, is_in_range)
        values.sort()  # -inf, in range from the largest on, censored from the smallest on, inf, NaN
        first, last = values.searchsorted(-self._infinity, "right"), values.searchsorted(self._infinity)
        self._accepted[0] += values.searchsorted(-self._taus, "right") - first
        self._accepted[1] += last - values.searchsorted(self._taus)
        inside = np.count_nonzero(is_in_range)
        self._n += inside, values.size - inside
        if last - first < values.size:
            is_fault = ~np.isfinite(q_abs)
            inside = np.count_nonzero(is_fault & is_in_range)
            self._n_fault += inside, np.count_nonzero(is_fault) - inside

    def counts(self, order: NDArray[np.intp]) -> list[ClassCounts]:
        """Of both classes, in the order asked; ``order`` sorted it."""
        bottom = np.empty_like(self._accepted)
        bottom[:, order] = self._n[:, None] - self._accepted
        return [
            ClassCounts(n=n, n_fault=n_fault, bottom=tuple(row))
            for n, n_fault, row in zip(self._n.tolist(), self._n_fault.tolist(), bottom.tolist(), strict=True)
        ]


def _signed(q_abs: Floats, is_in_range: NDArray[np.bool_]) -> Floats:
    """|Q|, with a minus where in range: the sign bit has room for the label, and one sort serves both classes."""
    unsigned = np.dtype(f"u{q_abs.dtype.itemsize}")
    sign = is_in_range.astype(unsigned) << unsigned.type(8 * unsigned.itemsize - 1)
    signed: Floats = (q_abs.view(unsigned) | sign).view(q_abs.dtype)
    return signed


def _rounded(taus: NDArray[np.float64], dtype: GateDtype) -> Floats:
    compared = dtype.round(taus)
    for wrong, what in ((compared == 0, "underflows to 0"), (np.isinf(compared), "overflows")):
        if wrong.any():
            raise TauError(
                f"tau {taus[wrong][0]:g} {what} in {dtype}",
                where="taus",
                fix="choose it among the |Q| of the head",
            )
    return compared
