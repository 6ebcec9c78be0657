"""What one tau does to a split: the row of a sweep that a reviewer reads."""

from __future__ import annotations

from invarlock.record import Record
from invarlock.stats.exact import clopper_pearson_upper
from invarlock.tau.gate_dtype import GateDtype
from invarlock.tau.samples import Samples
from invarlock.tau.sweep import count_taus
from invarlock.tau.sweep_record import Interval, sweep_of


class TauPoint(Record):
    """Rates at ``tau``, as :class:`invarlock.tau.sweep_record.TauSweep` has them; None where no sample has one.

    fp_cens_upper: one-sided upper Clopper-Pearson bound of fp_cens at ``confidence``; *_interval: two-sided at 95 %.
    """

    tau: float
    dtype: GateDtype
    n: int
    n_in: int
    n_cens: int
    n_fault: int
    fp_cens: float | None
    fp_cens_count: int
    fp_cens_upper: float | None
    confidence: float
    fn_in: float | None
    fn_in_count: int
    fn_in_interval: Interval | None
    bottom_rate: float | None
    bottom_count: int
    bottom_rate_interval: Interval | None


def tau_point(samples: Samples, tau: float, *, confidence: float) -> TauPoint:
    """Count ``samples`` at ``tau``: of the calibration split, or of the other once tau is frozen."""
    sweep = sweep_of(count_taus(samples, [tau]))
    accepted = sweep.fp_cens_count[0]
    return TauPoint(
        tau=sweep.taus_compared[0],
        dtype=sweep.dtype,
        n=sweep.n,
        n_in=sweep.n_in,
        n_cens=sweep.n_cens,
        n_fault=sweep.n_fault,
        fp_cens=sweep.fp_cens[0],
        fp_cens_count=accepted,
        fp_cens_upper=clopper_pearson_upper(accepted, sweep.n_cens, confidence=confidence)
        if sweep.n_cens
        else None,
        confidence=confidence,
        fn_in=sweep.fn_in[0],
        fn_in_count=sweep.fn_in_count[0],
        fn_in_interval=sweep.fn_in_interval[0],
        bottom_rate=sweep.bottom_rate[0],
        bottom_count=sweep.bottom_count[0],
        bottom_rate_interval=sweep.bottom_rate_interval[0],
    )
