"""How much evidence a gate rests on, and whether that is enough for its verdict to count."""

from __future__ import annotations

import math
from decimal import Decimal
from enum import StrEnum

from invarlock.errors import DataError
from invarlock.record import Record


class GateStatus(StrEnum):
    """Whether a gate's finding decides its flag; only ``enforced`` lets the flag read false.

    recorded: the policy only asks for it to be written down; underpowered: too little evidence; off: not looked for.
    """

    ENFORCED = "enforced"
    RECORDED = "recorded"
    UNDERPOWERED = "underpowered"
    OFF = "off"


class Support(Record):
    """seen: tokens or examples evaluated; available: in the data set; floor: fewest that a verdict may rest on."""

    seen: int
    available: int
    floor: int

    @property
    def status(self) -> GateStatus:
        """enforced from the floor on, underpowered below."""
        return GateStatus.ENFORCED if self.seen >= self.floor else GateStatus.UNDERPOWERED


def weigh_support(seen: int, available: int, *, minimum: int, fraction: float) -> Support:
    """floor = max(minimum, ceil(available x fraction)), the fraction as its decimal form says (seed 002).

    Raises DataError when more was seen than there is.

    >>> weigh_support(61_440, 700_000, minimum=50_000, fraction=0.01).floor
    50000
    """
    if not 0 <= seen <= available:
        raise DataError(
            f"{seen} evaluated of {available} available",
            fix="count both in the same unit, over the same data set",
        )
    # 0.01 x 700 is 7, in floats a little more.
    share = math.ceil(Decimal(repr(fraction)) * available)
    return Support(seen=seen, available=available, floor=max(minimum, share))
