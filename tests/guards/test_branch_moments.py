import statistics
from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import mstats

from invarlock.errors import MeasurementError
from invarlock.guards.branch_moments import robust_moment, tap_moment
from invarlock.measure.branch_records import BranchMoments
from tests.guards.variance_arms import moments, tap

RNG = np.random.default_rng(3)


@pytest.mark.parametrize("n", [1, 2, 7, 8])
def test_up_to_eight_windows_give_their_median(n):
    values = RNG.lognormal(size=n)
    assert robust_moment(values, [64] * n) == pytest.approx(statistics.median(values))


def test_nine_windows_are_not_winsorized_and_fall_into_eight_chunks():
    # The first chunk holds the largest and the smallest: their mean, 10, is one of the two in the middle.
    assert robust_moment([100.0, -80.0, 1, 2, 3, 20, 21, 22, 23], [64] * 9) == pytest.approx(15.0)


@pytest.mark.parametrize("n", [10, 16, 29])
def test_ten_and_more_are_winsorized_at_2_and_98_percent_before_chunking(n):
    values = RNG.lognormal(sigma=1.5, size=n)
    low, high = mstats.mquantiles(values, [0.02, 0.98], alphap=1, betap=1)
    pulled = [min(max(float(v), low), high) for v in values]
    sizes = [n // 8 + (i < n % 8) for i in range(8)]
    starts = np.cumsum([0, *sizes])
    means = [statistics.fmean(pulled[a:b]) for a, b in pairwise(starts)]
    assert robust_moment(values, [64] * n) == pytest.approx(statistics.median(means))


def test_a_chunk_weighs_its_windows_by_their_positions():
    # Nine windows: the first chunk holds two, of 30 and 10 positions; the median of eight lies between 2 and 4.
    assert robust_moment([1.0, 5.0, 0, 0, 0, 4, 9, 9, 9], [30, 10] + [1] * 7) == pytest.approx(3.0)


def test_a_branch_weighs_by_its_own_positions_whatever_the_windows_tokens_are():
    encoder, decoder = tap(0), tap(1)
    values = [1.0, 5.0, 0, 0, 0, 4, 9, 9, 9]
    windows = [
        BranchMoments(
            window_id=f"w{i}",
            tokens=24,
            second_moments={encoder.module: value, decoder.module: value},
            positions={encoder.module: 24, decoder.module: 30 if i == 0 else 10},
        )
        for i, value in enumerate(values)
    ]
    # The first chunk's mean is (1 + 5) / 2 and (30 x 1 + 10 x 5) / 40, the median of eight between it and 4.
    assert tap_moment(encoder, windows, arm="the baseline") == pytest.approx((3.0 + 4.0) / 2)
    assert tap_moment(decoder, windows, arm="the baseline") == pytest.approx((2.0 + 4.0) / 2)


def test_odd_windows_do_not_carry_it_away():
    values = np.full(16, 2.0)
    values[[3, 11]] = 1e6
    assert robust_moment(values, [64] * 16) == pytest.approx(2.0)


def test_a_moment_that_was_not_measured_names_tap_and_windows():
    windows = moments({tap(0): 1.0}, windows=2)
    with pytest.raises(MeasurementError, match="was not measured") as caught:
        tap_moment(tap(1), windows, arm="the baseline")
    assert caught.value.where == "model.layers.1.mlp.down_proj, windows w0, w1"


@pytest.mark.parametrize(
    ("value", "positions"), [(float("nan"), 16), (float("inf"), 16), (-1.0, 16), (1.0, 0)]
)
def test_a_moment_that_is_no_mean_square_is_an_error_even_where_the_median_would_hide_it(value, positions):
    windows = moments({tap(0): 1.0})
    windows[2] = BranchMoments.model_construct(
        window_id="w2",
        tokens=16,
        second_moments={tap(0).module: value},
        positions={tap(0).module: positions},
    )
    with pytest.raises(MeasurementError, match="of the edited model is not a finite mean square") as caught:
        tap_moment(tap(0), windows, arm="the edited model")
    assert caught.value.where == "model.layers.0.mlp.down_proj, windows w2"


def test_a_silent_branch_is_an_error():
    with pytest.raises(MeasurementError, match="puts out 0 but for its bias") as caught:
        tap_moment(tap(0), moments({tap(0): 0.0}, windows=3), arm="the edited model")
    assert "windows w0, w1, w2" in caught.value.where
