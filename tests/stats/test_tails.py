import math

import numpy as np
import pytest
from scipy import special, stats

from invarlock.stats.tails import two_sided_p


@pytest.mark.parametrize("z", [0.0, 0.5, 1.0, 1.96, 3.018, 3.849, 6.0, 10.0, 20.0, 37.0])
def test_agrees_with_the_survival_function_into_the_far_tail(z):
    assert two_sided_p(z) == pytest.approx(2 * stats.norm.sf(z), rel=1e-12, abs=0)
    assert two_sided_p(-z) == two_sided_p(z)
    assert math.log(two_sided_p(z)) == pytest.approx(math.log(2) + special.log_ndtr(-z), rel=1e-12, abs=1e-15)


def test_counts_what_gaussian_noise_does():
    draws = np.abs(np.random.default_rng(0).standard_normal(400_000))
    assert np.mean(draws >= 1.5) == pytest.approx(two_sided_p(1.5), abs=0.002)


def test_nan_is_refused():
    with pytest.raises(ValueError, match="NaN"):
        two_sided_p(math.nan)
