"""Counts of a sweep: integers, so that shards add up exactly, in any order."""

from __future__ import annotations

from invarlock.record import Record
from invarlock.tau.errors import TauError
from invarlock.tau.gate_dtype import GateDtype


class ClassCounts(Record):
    """One class of samples. n: all of them; n_fault: of those, NaN or infinite |Q|, on the bottom at every tau;
    bottom: of those, on the bottom at each tau, so faults and |Q| < tau."""

    n: int
    n_fault: int
    bottom: tuple[int, ...]

    def __add__(self, other: ClassCounts) -> ClassCounts:
        bottom = tuple(a + b for a, b in zip(self.bottom, other.bottom, strict=True))
        return ClassCounts(n=self.n + other.n, n_fault=self.n_fault + other.n_fault, bottom=bottom)


class TauCounts(Record):
    """What each tau does to the samples in range and to the censored ones; counts of disjoint shards add up (``+``).

    dtype: in which |Q| and tau are compared; taus: as asked, in the order asked.
    """

    dtype: GateDtype
    taus: tuple[float, ...]
    in_range: ClassCounts
    censored: ClassCounts

    def __add__(self, other: TauCounts) -> TauCounts:
        """TauError where the other was not counted at the same taus in the same dtype."""
        if (self.dtype, self.taus) != (other.dtype, other.taus):
            raise TauError("shards counted at other taus or in another dtype", fix="sweep every shard alike")
        return TauCounts(
            dtype=self.dtype,
            taus=self.taus,
            in_range=self.in_range + other.in_range,
            censored=self.censored + other.censored,
        )
