import math
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

from invarlock.stats.exact import clean_runs_needed, clopper_pearson, quantile_upper_bound


@pytest.mark.parametrize(("events", "n"), [(0, 1), (0, 30), (1, 10), (7, 20), (10, 10)])
def test_clopper_pearson_is_the_beta_quantiles(events, n):
    low, high = clopper_pearson(events, n)
    assert low == pytest.approx(0.0 if events == 0 else stats.beta.ppf(0.025, events, n - events + 1))
    assert high == pytest.approx(1.0 if events == n else stats.beta.ppf(0.975, events + 1, n - events))


@pytest.mark.parametrize("rate", [0.02, 0.1, 0.5])
def test_clopper_pearson_covers(rate):
    n = 40
    intervals = [clopper_pearson(k, n) for k in range(n + 1)]
    coverage = sum(
        stats.binom.pmf(k, n, rate) for k, (low, high) in enumerate(intervals) if low <= rate <= high
    )
    assert coverage >= 0.95


@pytest.mark.parametrize(
    ("rate", "confidence", "n"), [(0.01, 0.95, 299), (0.05, 0.95, 59), (0.5, 0.5, 1), (0.1, 0.9, 22)]
)
def test_clean_runs_needed(rate, confidence, n):
    assert clean_runs_needed(rate, confidence=confidence) == n
    assert (1 - rate) ** n <= 1 - confidence < (1 - rate) ** (n - 1)


@pytest.mark.parametrize("rate", [1.1e-30, 5e-324, 3.3e-17])
def test_clean_runs_needed_of_more_runs_than_floats_count(rate):
    expected = Fraction(-math.log(0.05)) / Fraction(rate)
    assert abs(clean_runs_needed(rate) / expected - 1) < 1e-12


def test_clean_runs_needed_for_a_rate_that_1_does_not_feel():
    assert clean_runs_needed(1e-17) == pytest.approx(-np.log(0.05) * 1e17, rel=1e-12)


@pytest.mark.parametrize(
    ("n", "q"), [(59, 0.95), (60, 0.95), (93, 0.95), (200, 0.95), (299, 0.99), (700, 0.99), (20, 0.5)]
)
def test_the_bound_is_scipys(n, q):
    values = np.random.default_rng(n).exponential(size=n).tolist()
    bound = quantile_upper_bound(values, q)
    expected = stats.quantile_test(values, p=q, alternative="less").confidence_interval(0.95).high
    assert bound.value == pytest.approx(expected, rel=0, abs=0)
    assert sorted(values)[bound.rank - 1] == bound.value


@pytest.mark.parametrize(("n", "q"), [(58, 0.95), (298, 0.99), (0, 0.5)])
def test_too_few_values_support_nothing(n, q):
    bound = quantile_upper_bound([1.0] * n, q)
    assert not bound.supported
    assert bound.value is None
    assert bound.n_needed == clean_runs_needed(1 - q)


@pytest.mark.parametrize(("n", "q"), [(59, 0.95), (150, 0.95), (40, 0.8)])
def test_the_bound_covers_with_its_confidence_for_continuous_and_tied_values(n, q):
    rng = np.random.default_rng(2)
    simulations = 2000
    for draw, quantile in (
        (lambda: rng.lognormal(size=n), stats.lognorm(1.0).ppf(q)),
        (lambda: rng.poisson(3.0, size=n).astype(float), stats.poisson(3.0).ppf(q)),
    ):
        covered = np.mean(
            [quantile_upper_bound(draw().tolist(), q).value >= quantile for _ in range(simulations)]
        )
        assert covered >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / simulations)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="rate = 0"):
        clean_runs_needed(0.0)
    with pytest.raises(ValueError, match="q = 1"):
        quantile_upper_bound([1.0], 1.0)
    with pytest.raises(ValueError, match="NaN"):
        quantile_upper_bound([math.nan] * 80, 0.95)
