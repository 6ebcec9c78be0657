import numpy as np
import pytest

from invarlock.tau.gate_dtype import GateDtype
from invarlock.tau.order_statistic import kth_largest


@pytest.mark.parametrize("dtype", GateDtype)
def test_is_the_sorted_value_with_ties_zeros_and_faults(dtype):
    rng = np.random.default_rng(0)
    values = dtype.round(np.exp(rng.normal(-3, 4, 3000)))
    values[::7] = values[0]
    values[1::11], values[2::301], values[3::401], values[4::501] = 0.0, -0.0, np.nan, np.inf
    ordered = np.sort(values[np.isfinite(values)])[::-1]
    parts = np.array_split(values, 7)
    for rank in (1, 2, 50, 51, 400, 900, ordered.size - 1, ordered.size):
        assert kth_largest(lambda: parts, rank, dtype) == ordered[rank - 1]
    assert kth_largest(lambda: parts, ordered.size + 1, dtype) is None
    assert kth_largest(lambda: [], 1, dtype) is None


@pytest.mark.parametrize("dtype", GateDtype)
def test_neighbours_are_told_apart(dtype):
    low = float(dtype.round(0.1))
    values = dtype.round([low, dtype.next_above(low), dtype.next_above(dtype.next_above(low))])
    assert [kth_largest(lambda: [values], rank, dtype) for rank in (1, 2, 3)] == values[::-1].tolist()
