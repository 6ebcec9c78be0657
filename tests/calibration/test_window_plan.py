import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invarlock.calibration.min_effect import critical_value, half_width
from invarlock.calibration.window_plan import COUNTS, knee, plan_windows, windows_needed
from invarlock.calibration.window_plan_records import PlanPoint
from invarlock.errors import ConfigError, DataError
from invarlock.metrics.paired_windows import PairedLosses
from invarlock.policy.profiles import load_profile
from invarlock.stats.bca import bca_interval

Z = {True: 1.6448536269514722, False: 1.959963984540054}
PROFILES = {name: load_profile(name).final_n for name in ("ci", "ci_cpu", "release")}
SIGMA = 0.01


def pair_of(deltas, tokens=127):
    counts = (tokens,) * len(deltas) if isinstance(tokens, int) else tuple(tokens)
    return PairedLosses(deltas=tuple(deltas), tokens=counts, mean=None)


def drawn(n=400, seed=0, sigma=SIGMA):
    return pair_of(np.random.default_rng(seed).normal(0.002, sigma, n).tolist())


def plan(pair, **changes):
    options = {
        "profiles": PROFILES,
        "one_sided": False,
        "floor": 180,
        "available": 1000,
        "replicates": 1200,
        "seed": 0,
    }
    return plan_windows(pair, **{**options, **changes})


def test_by_hand():
    # 100 differences of -0.01 and 100 of 0.01: standard deviation 0.01 sqrt(200 / 199)
    made = plan(pair_of([-0.01, 0.01] * 100))
    sigma = 0.01 * math.sqrt(200 / 199)
    assert made.sigma_hat == pytest.approx(sigma, rel=1e-12)
    assert made.z == pytest.approx(Z[False])
    assert made.windows_needed == math.ceil((Z[False] * sigma / 0.001) ** 2) == 387
    assert (made.recommended.windows, made.pairs, made.mean_delta) == (
        387,
        200,
        pytest.approx(0.0, abs=1e-15),
    )
    assert {name: point.windows for name, point in made.profiles.items()} == {
        "ci": 240,
        "ci_cpu": 120,
        "release": 400,
    }
    assert made.profiles["release"].half_width == pytest.approx(Z[False] * sigma / 20)
    assert made.profiles["release"].passes == 800
    assert [made.profiles[name].meets_target for name in PROFILES] == [False, False, True]
    assert [made.profiles[name].meets_floor for name in PROFILES] == [True, False, True]


@pytest.mark.parametrize("one_sided", [True, False])
def test_equal_tokens_give_seed_001s_formula(one_sided):
    pair = drawn()
    made = plan(pair, one_sided=one_sided)
    assert made.sigma_hat == pytest.approx(statistics.stdev(pair.deltas), rel=1e-10)
    assert [point.windows for point in made.curve] == list(COUNTS)
    for point in made.curve:
        expected = Z[one_sided] * made.sigma_hat / math.sqrt(point.windows)
        assert point.half_width == pytest.approx(expected)
        assert point.meets_target is (expected <= 0.001)


@pytest.mark.parametrize("one_sided", [True, False])
def test_the_bootstraps_half_width_is_of_the_first_windows_and_at_the_same_tail(one_sided):
    pair = drawn()
    alpha = 0.10 if one_sided else 0.05
    for point in plan(pair, one_sided=one_sided).curve:
        if point.windows > 400:
            assert point.bca_half_width is None
            continue
        first = pair.deltas[: point.windows]
        bca = bca_interval(first, pair.tokens[: point.windows], replicates=1200, seed=0, alpha=alpha)
        assert point.bca_half_width == bca.half_width
        assert point.bca_half_width == pytest.approx(point.half_width, rel=0.3)


@given(st.floats(1e-6, 0.02), st.sampled_from([0.0005, 0.001, 0.01]), st.booleans())
def test_windows_needed_is_what_trying_every_count_finds(sigma, target, one_sided):
    counts = np.arange(2, 10_000)
    meets = critical_value(one_sided=one_sided) * sigma / np.sqrt(counts) <= target
    assert windows_needed(sigma, target, one_sided=one_sided) == counts[meets][0]


@pytest.mark.parametrize("n", [2, 100, 180, 240, 400])
def test_a_target_that_a_count_meets_exactly_needs_no_more(n):
    assert windows_needed(SIGMA, half_width(SIGMA, n, one_sided=True), one_sided=True) == n


@pytest.mark.parametrize("shape", ["normal", "t, 5 df"])
@pytest.mark.parametrize("masked", [False, True])
def test_fresh_windows_attain_the_planned_half_width(shape, masked):
    rng = np.random.default_rng(5)

    def sample(n):
        tokens = 1 + rng.binomial(126, 0.15, n) if masked else np.full(n, 127)
        spread = (
            rng.normal(0, SIGMA, n) if shape == "normal" else rng.standard_t(5, n) * SIGMA / math.sqrt(5 / 3)
        )
        return pair_of((0.002 + spread).tolist(), tokens.tolist())

    made = plan(sample(4000), counts=(40, 80), profiles={})
    fresh = [sample(made.windows_needed) for _ in range(60)]
    widths = [bca_interval(pair.deltas, pair.tokens, replicates=1200, seed=0).half_width for pair in fresh]
    assert statistics.fmean(widths) == pytest.approx(0.001, rel=0.03)


def curve_of(width_at, counts):
    return tuple(
        PlanPoint(
            windows=n,
            half_width=width_at(n),
            bca_half_width=None,
            passes=2 * n,
            meets_target=False,
            meets_floor=True,
        )
        for n in counts
    )


@pytest.mark.parametrize(("first", "last"), [(40, 800), (120, 400), (2, 50)])
def test_the_knee_of_the_root_law_is_where_its_slope_is_that_of_the_chord(first, last):
    # (c / 2) n^-1.5 = c (a^-0.5 - b^-0.5) / (b - a), so n = (sqrt(a b) (sqrt(a) + sqrt(b)) / 2)^(2/3)
    expected = (math.sqrt(first * last) * (math.sqrt(first) + math.sqrt(last)) / 2) ** (2 / 3)
    point = knee(curve_of(lambda n: 0.3 / math.sqrt(n), range(first, last + 1)))
    assert abs(point.windows - expected) <= 1.0


def test_the_knee_is_the_corner_of_a_broken_line():
    corner = curve_of(lambda n: max(10.0 - n, 4.0 - 0.01 * n), range(2, 60))
    assert knee(corner).windows == 6


def test_the_floor_wins_over_a_smaller_need():
    made = plan(drawn(sigma=0.001))
    assert (made.windows_needed < 10, made.recommended.windows) == (True, 180)
    assert "The tier asks for 180 at least." in made.statement


def test_a_model_against_itself_plans_nothing():
    with pytest.raises(DataError, match="the pair says nothing"):
        plan(pair_of([0.0] * 200))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target": 0.0}, "the target half-width is 0.0"),
        ({"target": math.nan}, "the target half-width is nan"),
        ({"counts": (40, 40)}, "make no curve"),
        ({"counts": (1, 40)}, "make no curve"),
    ],
)
def test_requests_that_cannot_be_planned_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        plan(drawn(), **changes)


def test_losses_that_are_not_finite_are_refused():
    with pytest.raises(DataError, match=r"not finite at positions \[1\]"):
        plan(pair_of([0.1, math.inf, 0.2]), profiles={"x": 2})


@pytest.mark.parametrize(("margin", "windows"), [(0.0, 387), (0.1, 426), (1.0, 774), (1e-05, 388)])
def test_the_margin_adds_to_the_needed_windows(margin, windows):
    made = plan(pair_of([-0.01, 0.01] * 100), safety_margin=margin)
    assert (made.windows_needed, made.recommended.windows) == (387, windows)


def test_a_tenth_of_a_hundred_is_ten():
    # in floats 100 x 1.1 is above 110
    target = half_width(SIGMA * math.sqrt(200 / 199), 100, one_sided=False)
    made = plan(pair_of([-SIGMA, SIGMA] * 100), target=target, floor=2, safety_margin=0.1)
    assert (made.windows_needed, made.recommended.windows) == (100, 110)


def test_what_the_data_allow_is_said_when_they_do_not_suffice():
    made = plan(drawn(sigma=0.1), available=1000)
    assert not made.attainable
    assert made.most.windows == 500
    reached = 1.959963984540054 * made.sigma_hat / math.sqrt(500)
    assert made.most.half_width == pytest.approx(reached)
    assert (
        f"1,000 windows: an evaluation can look at 500 final ones and reach ±{reached:.3g}" in made.statement
    )


def test_profiles_that_suffice_are_named():
    assert plan(pair_of([-0.01, 0.01] * 100)).statement.endswith("Profiles that suffice: release.")
    assert plan(pair_of([-0.02, 0.02] * 100), available=9000).statement.endswith("No profile has as many.")
