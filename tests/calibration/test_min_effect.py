import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm, t

from invarlock.calibration.min_effect import (
    count_passing,
    half_width,
    half_width_threshold,
    most_passing,
    passes,
    run_gain,
    target_rate_threshold,
)

gains = st.lists(
    st.one_of(
        st.just(0.0),
        st.integers(0, 400).map(lambda micro: micro / 1_000_000),  # exact multiples, with ties
        st.floats(0, 4e-4),
        st.floats(0, 2.0),
    ),
    min_size=1,
    max_size=60,
)
targets = st.one_of(st.sampled_from([0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 1.0]), st.floats(0, 1))


@pytest.mark.parametrize(
    ("delta_ci", "mean", "one_sided", "gain"),
    [
        ((-0.003, -0.001), -0.002, True, 0.001),  # seed 003's balanced example
        ((-0.030, -0.017), -0.020, False, 0.017),  # its conservative ones
        ((-0.015, -0.002), -0.008, False, 0.002),
        ((-0.003, 0.0), -0.002, True, 0.0),
        ((-0.003, 0.001), -0.002, True, 0.0),
        ((0.001, 0.003), 0.002, False, 0.0),
        ((-0.003, -0.001), 0.0, True, 0.0),  # a mean that the bound does not contain, one-sided and two-sided
        ((-0.003, -0.001), 0.0, False, 0.001),
        (None, None, True, 0.0),
    ],
)
def test_gain_of_a_run(delta_ci, mean, one_sided, gain):
    assert run_gain(delta_ci, mean, one_sided=one_sided) == gain


def test_seed_003_examples_against_the_tiers_thresholds():
    assert passes(run_gain((-0.003, -0.001), -0.002, one_sided=True), 0.0)
    assert passes(run_gain((-0.030, -0.017), -0.020, one_sided=False), 0.016)
    assert not passes(run_gain((-0.015, -0.002), -0.008, one_sided=False), 0.016)
    assert not passes(0.0, 0.0)


@given(
    st.lists(st.one_of(st.integers(0, 300).map(lambda m: m / 1e6), st.floats(0, 3e-4)), min_size=1), targets
)
def test_target_rate_equals_a_search_over_every_multiple(values, target):
    every = (micro for micro in range(302) if count_passing(values, micro / 1e6) / len(values) <= target)
    assert target_rate_threshold(values, target=target, margin=0.0) == next(every) / 1e6


@given(gains, targets, st.sampled_from([0.0, 0.05, 0.5]))
def test_target_rate_is_met_and_a_micro_nat_less_breaks_it(values, target, margin):
    found = target_rate_threshold(values, target=target, margin=0.0)
    assert count_passing(values, found) / len(values) <= target
    if found > 0:
        less = (round(found * 1e6) - 1) / 1e6
        assert count_passing(values, less) / len(values) > target
    grown = target_rate_threshold(values, target=target, margin=margin)
    assert grown == round(grown, 6)
    assert found * (1 + margin) <= grown * (1 + 1e-12)
    assert grown - found * (1 + margin) < 1.000001e-6


@pytest.mark.parametrize(
    ("values", "target", "margin", "expected"),
    [
        ([0.0, 0.0, 0.0], 0.05, 0.05, 0.0),
        ([0.00002], 1.0, 0.0, 0.0),
        ([0.00002], 0.05, 0.0, 0.000021),  # a gain passes a threshold equal to it
        ([0.0000205], 0.05, 0.0, 0.000021),
        ([math.nextafter(0.00002, 0.0)], 0.05, 0.0, 0.00002),
        ([0.000019], 0.05, 0.05, 0.000021),  # 20 x 1.05 is 21 micro-nats exactly: not bumped to 22
        ([0.000019], 0.05, 0.06, 0.000022),
        ([0.000069], 0.0, 0.1, 0.000077),  # 70 x 1.1: 77.00000000000001 in binary
    ],
)
def test_target_rate_by_hand(values, target, margin, expected):
    assert target_rate_threshold(values, target=target, margin=margin) == expected


def test_most_passing_counts_a_share_that_is_met_exactly():
    assert [most_passing(n, 0.05) for n in (1, 19, 20, 40, 60)] == [0, 0, 1, 2, 3]
    assert most_passing(100, 0.29) == 29  # 0.29 x 100 is 28.999999999999996 in binary
    assert (most_passing(7, 0.0), most_passing(7, 1.0)) == (0, 7)


def test_half_width_by_the_seeds_formula():
    assert half_width(0.002, 16, one_sided=True) == pytest.approx(1.6448536269514722 * 0.002 / 4)
    assert half_width(0.002, 16, one_sided=False) == pytest.approx(1.959963984540054 * 0.002 / 4)
    assert half_width_threshold(0.0020001, margin=0.0) == 0.002001
    assert half_width_threshold(0.002, margin=0.0) == 0.002
    assert half_width_threshold(0.002, margin=0.05) == 0.0021


def test_half_width_gives_half_the_power_at_the_boundary():
    """Seed 003: where the true gain is twice z sigma / sqrt(n), the bound is below -min_effect half of the time."""
    rng = np.random.default_rng(0)
    n, sigma = 16, 0.002
    width = half_width(sigma, n, one_sided=True)
    means = rng.normal(-2 * width, sigma / math.sqrt(n), size=20_000)
    enabled = np.mean(means + norm.ppf(0.95) * sigma / math.sqrt(n) <= -width)
    assert enabled == pytest.approx(0.5, abs=0.015)


def gate_gains(rng, runs, windows=8):
    """Gains of runs whose deltas are normal with a true gain: one-sided 95 % t bounds."""
    deltas = rng.normal(-0.0005, 0.0008, size=(runs, windows))
    mean, spread = deltas.mean(axis=1), deltas.std(axis=1, ddof=1)
    upper = mean + t.ppf(0.95, windows - 1) * spread / math.sqrt(windows)
    return np.maximum(0.0, -upper)


@pytest.mark.parametrize(("runs", "target"), [(20, 0.05), (40, 0.05), (40, 0.1)])
def test_a_fresh_run_passes_as_often_as_an_order_statistic_says(runs, target):
    """On average over sweeps of n runs: (k + 1) / (n + 1), k the runs that may pass: somewhat above the target."""
    rng = np.random.default_rng(1)
    fresh = np.sort(gate_gains(rng, 200_000))
    rates = []
    for _ in range(1500):
        found = target_rate_threshold(gate_gains(rng, runs).tolist(), target=target, margin=0.0)
        rates.append(1 - np.searchsorted(fresh, found) / fresh.size)
    expected = (most_passing(runs, target) + 1) / (runs + 1)
    assert np.mean(rates) == pytest.approx(expected, abs=4 * np.std(rates) / math.sqrt(1500) + 0.001)
    assert expected > target
