"""What a sweep says: rates at each tau, the counts behind them and how sure they are (design page 7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from invarlock.record import Record
from invarlock.stats.exact import clopper_pearson_intervals
from invarlock.tau.counts import ClassCounts, TauCounts
from invarlock.tau.gate_dtype import GateDtype

CONFIDENCE = 0.95
Rates = tuple[float | None, ...]
Interval = tuple[float, float]
Intervals = tuple[Interval | None, ...]
_EMPTY = {
    "fn_in": "no sample is in range",
    "fp_cens": "no sample is censored",
}


class TauSweep(Record):
    """One entry a tau in every tuple, in the order asked. The first four keys are the seed's.

    taus: as asked; taus_compared: as ``dtype`` holds them, which is what |Q| was compared with.
    fn_in: share of the samples in range that are on the bottom (false censoring); fp_cens: share of the censored
    that are not (false acceptance); bottom_rate: share of all that are; None where there is no such sample, and
    ``reasons`` says so by key. A fault (|Q| NaN or infinite) is on the bottom at every tau, in either class.
    *_count: the samples of each rate; *_interval: two-sided Clopper-Pearson at ``confidence``, each tau for itself.
    n, n_in, n_cens: samples; n_fault, n_fault_in, n_fault_cens: faults among them.
    """

    taus: tuple[float, ...]
    fn_in: Rates
    fp_cens: Rates
    bottom_rate: Rates
    taus_compared: tuple[float, ...]
    dtype: GateDtype
    n: int
    n_in: int
    n_cens: int
    n_fault: int
    n_fault_in: int
    n_fault_cens: int
    fn_in_count: tuple[int, ...]
    fp_cens_count: tuple[int, ...]
    bottom_count: tuple[int, ...]
    confidence: float
    fn_in_interval: Intervals
    fp_cens_interval: Intervals
    bottom_rate_interval: Intervals
    reasons: Mapping[str, str]


def sweep_of(counts: TauCounts) -> TauSweep:
    """Rates and intervals of ``counts``."""
    inside, censored = counts.in_range, counts.censored
    accepted = tuple(censored.n - bottom for bottom in censored.bottom)
    bottom = tuple(a + b for a, b in zip(inside.bottom, censored.bottom, strict=True))
    n = inside.n + censored.n
    sizes = {"fn_in": inside.n, "fp_cens": censored.n}
    return TauSweep(
        taus=counts.taus,
        fn_in=_rates(inside.bottom, inside.n),
        fp_cens=_rates(accepted, censored.n),
        bottom_rate=_rates(bottom, n),
        taus_compared=tuple(counts.dtype.round(counts.taus).tolist()),
        dtype=counts.dtype,
        n=n,
        n_in=inside.n,
        n_cens=censored.n,
        n_fault=inside.n_fault + censored.n_fault,
        n_fault_in=inside.n_fault,
        n_fault_cens=censored.n_fault,
        fn_in_count=inside.bottom,
        fp_cens_count=accepted,
        bottom_count=bottom,
        confidence=CONFIDENCE,
        fn_in_interval=_intervals(inside.bottom, inside.n),
        fp_cens_interval=_intervals(accepted, censored.n),
        bottom_rate_interval=_intervals(bottom, n),
        reasons={key: _EMPTY[key] for key, size in sizes.items() if size == 0},
    )


def counts_of(sweep: TauSweep) -> TauCounts:
    """The counts that ``sweep`` was made from, to add to those of other shards."""
    inside = ClassCounts(n=sweep.n_in, n_fault=sweep.n_fault_in, bottom=sweep.fn_in_count)
    bottom = tuple(sweep.n_cens - accepted for accepted in sweep.fp_cens_count)
    censored = ClassCounts(n=sweep.n_cens, n_fault=sweep.n_fault_cens, bottom=bottom)
    return TauCounts(dtype=sweep.dtype, taus=sweep.taus, in_range=inside, censored=censored)


def _rates(counts: Sequence[int], n: int) -> Rates:
    return tuple(count / n if n else None for count in counts)


def _intervals(counts: Sequence[int], n: int) -> Intervals:
    return clopper_pearson_intervals(counts, n, confidence=CONFIDENCE) if n else (None,) * len(counts)
