import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invarlock.errors import DataError
from invarlock.gates.spike import look_for_spike


@given(st.floats(0.5, 4.0))
def test_a_spike_is_a_ratio_above_two(ratio):
    assert look_for_spike(math.log(ratio)).spiked is (math.exp(math.log(ratio)) > 2.0)


@pytest.mark.parametrize(
    ("mean", "spiked"), [(0.0, False), (math.log(2.0), False), (0.6932, True), (1e5, True)]
)
def test_twice_the_perplexity_is_no_spike_and_more_is(mean, spiked):
    check = look_for_spike(mean)
    assert (check.spiked, check.mean_delta, check.ratio_limit) == (spiked, mean, 2.0)


@pytest.mark.parametrize("mean", [math.nan, math.inf])
def test_a_mean_that_is_not_finite_is_refused(mean):
    with pytest.raises(DataError, match="the mean difference is"):
        look_for_spike(mean)
