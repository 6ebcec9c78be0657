"""Counts of a sweep: integers, so that shards add up exactly, in any order."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Annotated, Self

from pydantic import Field, model_validator

from invarlock.record import Record
from invarlock.tau.errors import TauError
from invarlock.tau.gate_dtype import GateDtype

Count = Annotated[int, Field(ge=0, le=1 << 53)]  # so that shares are exact


class ClassCounts(Record):
    """One class of samples: 0 <= n_fault <= bottom <= n.

    n: all of them; n_fault: of those, NaN or infinite |Q|, on the bottom at every tau; bottom: of those, on the
    bottom at each tau, so faults and |Q| < tau.
    """

    n: Count
    n_fault: Count
    bottom: tuple[Count, ...]

    @model_validator(mode="after")
    def _nested(self) -> Self:
        if not all(self.n_fault <= bottom <= self.n for bottom in (self.n, *self.bottom)):
            raise ValueError("faults are some of the bottom, and that is some of all")
        return self

    def __add__(self, other: ClassCounts) -> ClassCounts:
        bottom = tuple(a + b for a, b in zip(self.bottom, other.bottom, strict=True))
        return ClassCounts(n=self.n + other.n, n_fault=self.n_fault + other.n_fault, bottom=bottom)


class TauCounts(Record):
    """What each tau does to the samples in range and to the censored ones; counts of disjoint shards add up (``+``).

    dtype: in which |Q| and tau are compared; taus: as asked, in the order asked. What is on the bottom at a tau is
    there at every larger one.
    """

    dtype: GateDtype
    taus: tuple[float, ...]
    in_range: ClassCounts
    censored: ClassCounts

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        compared = self.dtype.round(self.taus).tolist()
        if not (compared and all(0 < tau < math.inf for tau in compared)):
            raise ValueError("taus are finite and above 0 in the dtype")
        for bottom in (self.in_range.bottom, self.censored.bottom):
            if len(bottom) != len(compared):
                raise ValueError("there is a count for each tau")
            rows = sorted(zip(compared, bottom, strict=True))
            if any(a > b or (at == to and a != b) for (at, a), (to, b) in pairwise(rows)):
                raise ValueError("counts on the bottom grow with tau")
        return self

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
