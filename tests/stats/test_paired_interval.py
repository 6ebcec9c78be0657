import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from invarlock.errors import DataError
from invarlock.guards.predictive_gate import GateReason, weigh_interval
from invarlock.stats.paired_interval import paired_interval
from tests.stats.interval_candidates import CANDIDATES, CHOSEN, CHUNK, Weighted, satterthwaite_degrees
from tests.stats.interval_page import PAGE, REPETITIONS, table_of
from tests.stats.interval_simulation import (
    COUNTS,
    HARSHER,
    MARGIN,
    NOMINAL,
    REALISTIC,
    TAILS,
    Case,
    false_passes,
)

REPEATED = 20_000
FRESH_SEED = 7
DELTAS = [-0.004, 0.001, -0.002, -0.0035, 0.0005, -0.001]
TOKENS = [19, 25, 12, 17, 22, 30]


@pytest.mark.parametrize("n", [2, 6, 16])
@pytest.mark.parametrize("one_sided", [True, False])
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_equal_tokens_give_scipys_t_interval(n, one_sided, confidence):
    deltas = np.random.default_rng(n).normal(-1e-3, 5e-4, n).tolist()
    interval = paired_interval(deltas, [127] * n, one_sided=one_sided, confidence=confidence)
    below = stats.ttest_1samp(deltas, 0.0, alternative="less" if one_sided else "two-sided")
    above = stats.ttest_1samp(deltas, 0.0, alternative="greater" if one_sided else "two-sided")
    assert interval.upper == pytest.approx(below.confidence_interval(confidence).high, rel=1e-10)
    assert interval.lower == pytest.approx(above.confidence_interval(confidence).low, rel=1e-10)
    assert interval.mean == pytest.approx(np.mean(deltas), rel=1e-12)
    assert interval.standard_error == pytest.approx(stats.sem(deltas), rel=1e-10)
    assert interval.deviation == pytest.approx(np.std(deltas, ddof=1), rel=1e-12)
    assert (interval.n, interval.one_sided, interval.method) == (n, one_sided, "weighted_t")


def test_unequal_tokens_by_hand():
    interval = paired_interval([0.0, 1.0, 3.0], [1, 1, 2], one_sided=True)
    # shares 1/4 1/4 1/2, mean 7/4, residuals -7/4 -3/4 5/4; n_eff = 1 / (6/16)
    variance = (49 / 16 / 16) / (3 / 4) + (9 / 16 / 16) / (3 / 4) + (25 / 16 / 4) / (1 / 2)
    assert interval.mean == pytest.approx(1.75)
    assert interval.standard_error == pytest.approx(math.sqrt(variance))
    assert interval.upper == pytest.approx(1.75 + stats.t.ppf(0.95, 16 / 6 - 1) * math.sqrt(variance))
    assert interval.deviation == pytest.approx(stats.tstd([0.0, 1.0, 3.0]))


@pytest.mark.parametrize("case", [*REALISTIC[-2:], *HARSHER], ids=str)
def test_the_simulated_method_is_the_one_shipped(case):
    deltas, tokens = case.draw(8, 20)
    simulated = CANDIDATES[CHOSEN](deltas, tokens, TAILS)
    for position, (window_deltas, counts) in enumerate(zip(deltas.tolist(), tokens.tolist(), strict=True)):
        for one_sided, bounds in zip((True, False), simulated, strict=True):
            shipped = paired_interval(window_deltas, [int(count) for count in counts], one_sided=one_sided)
            assert shipped.upper == pytest.approx(bounds[position], rel=1e-9)


@pytest.mark.parametrize(("case", "n"), product(REALISTIC, COUNTS), ids=str)
def test_false_passes_lie_within_a_point_of_nominal(case, n):
    rates = false_passes(CHOSEN, case, n, REPEATED, seed=FRESH_SEED)
    for rate, nominal in zip(rates, NOMINAL.values(), strict=True):
        assert abs(rate - nominal) <= MARGIN


@pytest.mark.parametrize(("case", "n"), product(HARSHER, COUNTS), ids=str)
def test_false_passes_under_harsh_weights_are_at_most_a_point_over_nominal(case, n):
    rates = false_passes(CHOSEN, case, n, REPEATED, seed=FRESH_SEED)
    for rate, nominal in zip(rates, NOMINAL.values(), strict=True):
        assert rate <= nominal + MARGIN


@pytest.mark.parametrize("method", ["bootstrap-t", "BCa", "t, HC2 variance, n - 1"])
def test_the_rivals_are_more_than_a_point_over_nominal_somewhere(method):
    cases = {"t, HC2 variance, n - 1": Case("lognormal 1", "constant", "normal")}
    case = cases.get(method, Case("equal", "constant", "t, 3 df"))
    assert false_passes(method, case, 12, 5000, seed=FRESH_SEED)[0] > 5.0 + MARGIN


def test_the_page_holds_what_the_simulation_gives():
    lines = table_of(PAGE.read_text(), "chosen")[2:]
    assert len(lines) == len([*REALISTIC, *HARSHER])
    for line in lines:
        tokens, variance, shape, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        case = Case(tokens, variance, shape)
        again = np.array([false_passes(CHOSEN, case, n, REPEATED, seed=FRESH_SEED) for n in COUNTS]).T.ravel()
        for printed, rate in zip(map(float, cells), again, strict=True):
            error = math.hypot(standard_error(rate, REPEATED), standard_error(rate, REPETITIONS))
            assert printed == pytest.approx(rate, abs=5 * error + 0.005)


@pytest.mark.parametrize("min_effect", [0.0, 0.5])
@pytest.mark.parametrize("one_sided", [True, False])
def test_the_gate_enables_no_more_often_than_its_level_at_the_boundary(min_effect, one_sided):
    differences, tokens = Case("masked", "constant", "normal").draw(8, 10_000, seed=FRESH_SEED)
    enabled = 0
    for deltas, counts in zip((differences - min_effect).tolist(), tokens.astype(int).tolist(), strict=True):
        interval = paired_interval(deltas, counts, one_sided=one_sided)
        ends = (interval.lower, interval.upper)
        enabled += weigh_interval(interval.mean, ends, min_effect=min_effect) is GateReason.CI_GAIN_MET
    nominal = 5.0 if one_sided else 2.5
    assert abs(enabled / 100.0 - nominal) <= 3 * standard_error(nominal, 10_000)


def test_satterthwaites_degrees_are_those_of_the_matrix():
    differences, tokens = Case("lognormal 1", "constant", "normal").draw(6, 5)
    expected = []
    for counts in tokens:
        share = counts / counts.sum()
        leave = np.eye(6) - share  # residuals = leave @ differences
        form = leave.T @ np.diag(share**2 / (1 - share)) @ leave
        expected.append(np.trace(form) ** 2 / np.trace(form @ form))
    assert satterthwaite_degrees(Weighted.of(differences, tokens)) == pytest.approx(expected)


def test_bca_is_scipys():
    theirs = stats.bootstrap(
        (DELTAS, TOKENS),
        lambda d, t, axis=-1: (d * t).sum(axis) / t.sum(axis),
        paired=True,
        confidence_level=0.9,
        n_resamples=20_000,
        method="BCa",
        rng=1,
    ).confidence_interval
    mean = np.average(DELTAS, weights=TOKENS)
    assert upper_with_many_resamples("BCa") - mean == pytest.approx(theirs.high - mean, rel=0.03)


def test_bootstrap_t_is_the_plain_loop():
    deltas, tokens = np.array(DELTAS), np.array(TOKENS)

    def mean_and_error(d, t):
        mean = np.average(d, weights=t)
        return mean, math.sqrt(6 / 5 * np.sum((t * (d - mean)) ** 2)) / t.sum()

    mean, error = mean_and_error(deltas, tokens)
    rng, studentized = np.random.default_rng(3), []
    for _ in range(10_000):
        picked = rng.integers(0, 6, 6)
        drawn_mean, drawn_error = mean_and_error(deltas[picked], tokens[picked])
        shift = drawn_mean - mean
        single = len(set(picked.tolist())) == 1
        studentized.append(math.copysign(math.inf, shift) if single else shift / drawn_error)
    expected = -np.quantile(studentized, 0.05, method="lower") * error
    assert upper_with_many_resamples("bootstrap-t") - mean == pytest.approx(expected, rel=0.05)


def upper_with_many_resamples(method):
    """Upper 95 % bound on DELTAS and TOKENS: each chunk of repetitions has resamples of its own."""
    chunks = 20
    deltas, tokens = (
        np.tile(np.array(values, dtype=float), (chunks * CHUNK, 1)) for values in (DELTAS, TOKENS)
    )
    return CANDIDATES[method](deltas, tokens, (0.05,))[0, ::CHUNK].mean()


windows = st.lists(st.tuples(st.floats(-10.0, 10.0), st.integers(1, 500)), min_size=2, max_size=16).filter(
    lambda pairs: 4 * max(tokens for _, tokens in pairs) <= 3 * sum(tokens for _, tokens in pairs)
)


@given(windows, st.sampled_from([2.0**-20, 0.5, 1024.0]), st.booleans())
def test_scaling_and_reversing_the_differences_scales_and_reverses_the_interval(pairs, scale, one_sided):
    deltas, tokens = zip(*pairs, strict=True)
    plain = paired_interval(deltas, tokens, one_sided=one_sided)
    scaled = paired_interval([-scale * delta for delta in deltas], tokens, one_sided=one_sided)
    tiny = 1e-300
    assert scaled.mean == pytest.approx(-scale * plain.mean, abs=tiny)
    assert (scaled.lower, scaled.upper) == pytest.approx(
        (-scale * plain.upper, -scale * plain.lower), abs=tiny
    )
    assert scaled.deviation == pytest.approx(scale * plain.deviation, abs=tiny)


@given(windows, st.integers(2, 1000), st.booleans())
def test_only_the_shares_of_the_tokens_count(pairs, factor, one_sided):
    deltas, tokens = zip(*pairs, strict=True)
    plain = paired_interval(deltas, tokens, one_sided=one_sided)
    more = paired_interval(deltas, [factor * count for count in tokens], one_sided=one_sided)
    assert (more.lower, more.upper) == pytest.approx((plain.lower, plain.upper), abs=1e-12)


@given(st.floats(-1e6, 1e6), st.lists(st.integers(1, 20), min_size=3, max_size=16))
def test_equal_differences_have_no_width(delta, tokens):
    interval = paired_interval([delta] * len(tokens), tokens, one_sided=False)
    assert interval.lower == interval.mean == interval.upper == delta
    assert interval.standard_error == interval.deviation == 0.0


def test_two_sided_is_wider_than_one_sided():
    bound, interval = (paired_interval(DELTAS, TOKENS, one_sided=side) for side in (True, False))
    assert interval.lower < bound.lower < bound.mean < bound.upper < interval.upper


@pytest.mark.parametrize(
    ("deltas", "tokens", "message"),
    [
        ([], [], "0 windows have no interval"),
        ([0.1], [5], "1 windows have no interval"),
        ([0.1, 0.2], [5], "2 differences, but token counts of 1 windows"),
        ([0.1, math.nan, 0.2, math.inf], [5, 5, 5, 5], r"not finite at positions \[1, 3\] of 4"),
        ([0.1, 0.2, 0.3], [5, 0, -2], r"no predicted tokens at positions \[1, 2\] of 3"),
        ([0.1, 0.2], [1, 100], "one window holds 100 of 101 tokens"),
    ],
)
def test_what_has_no_interval_is_refused(deltas, tokens, message):
    with pytest.raises(DataError, match=message):
        paired_interval(deltas, tokens, one_sided=True)


@pytest.mark.parametrize("confidence", [0.5, 1.0, 95])
def test_a_confidence_outside_its_range_is_refused(confidence):
    with pytest.raises(ValueError, match=f"confidence = {confidence}"):
        paired_interval(DELTAS, TOKENS, one_sided=True, confidence=confidence)


def standard_error(percent, repetitions):
    """Monte-Carlo error of a rate, points."""
    return math.sqrt(percent * (100.0 - percent) / repetitions)
