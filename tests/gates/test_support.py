from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invarlock.errors import DataError
from invarlock.gates.support import GateStatus, weigh_support


@pytest.mark.parametrize(
    ("seen", "available", "minimum", "fraction", "floor", "status"),
    [
        (50_000, 60_000, 50_000, 0.01, 50_000, GateStatus.ENFORCED),  # seed 002: balanced
        (49_999, 60_000, 50_000, 0.01, 50_000, GateStatus.UNDERPOWERED),
        (61_440, 10_000_000, 50_000, 0.01, 100_000, GateStatus.UNDERPOWERED),  # the share is the larger
        (20_000, 20_000, 20_000, 0.01, 20_000, GateStatus.ENFORCED),  # conservative
        (3, 201, 0, 0.01, 3, GateStatus.ENFORCED),  # ceil of 2.01
        (7, 700, 0, 0.01, 7, GateStatus.ENFORCED),  # 0.01 * 700 is above 7 in floats
        (0, 0, 0, 0.01, 0, GateStatus.ENFORCED),
    ],
)
def test_floors(seen, available, minimum, fraction, floor, status):
    evidence = weigh_support(seen, available, minimum=minimum, fraction=fraction)
    assert (evidence.floor, evidence.status) == (floor, status)


@given(st.integers(0, 10**8), st.integers(0, 100), st.integers(0, 10**6))
def test_the_floor_is_that_of_exact_arithmetic(available, percent, minimum):
    evidence = weigh_support(0, available, minimum=minimum, fraction=percent / 100)
    assert evidence.floor == max(minimum, ceil(Fraction(percent, 100) * available))


@pytest.mark.parametrize(("seen", "available"), [(11, 10), (-1, 10)])
def test_more_seen_than_there_is_is_an_error(seen, available):
    with pytest.raises(DataError, match=f"{seen} evaluated of {available} available"):
        weigh_support(seen, available, minimum=0, fraction=0.0)
