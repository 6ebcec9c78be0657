import math
import statistics
import time
from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from invarlock.errors import DataError
from invarlock.stats.bca import bca_interval, resampled_means
from invarlock.stats.paired_sample import weighted_mean

SHAPES = {
    "normal": lambda rng, size: rng.normal(0.0, 1.0, size),
    "t, 3 df": lambda rng, size: rng.standard_t(3, size),
    "lognormal": lambda rng, size: rng.lognormal(0.0, 1.0, size) - math.exp(0.5),
}
TOKENS = {
    "equal": lambda rng, n: np.full(n, 127),
    "masked": lambda rng, n: 1 + rng.binomial(126, 0.15, n),
    "lognormal": lambda rng, n: np.ceil(128 * rng.lognormal(0.0, 0.5, n)).astype(int),
}


def draw(shape, n, seed, tokens="masked"):
    rng = np.random.default_rng(seed)
    return SHAPES[shape](rng, n), TOKENS[tokens](rng, n)


def weighted(d, t, axis=-1):
    return (d * t).sum(axis) / t.sum(axis)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("alpha", [0.05, 0.1])
def test_scipy_makes_the_same_interval_of_the_same_replicates(shape, alpha):
    deltas, tokens = draw(shape, 60, seed=1)
    ours = bca_interval(deltas.tolist(), tokens.tolist(), replicates=999, seed=4, alpha=alpha)
    options = {"paired": True, "confidence_level": 1 - alpha, "method": "BCa"}
    any_result = stats.bootstrap((deltas, tokens), weighted, n_resamples=99, rng=0, **options)
    any_result.bootstrap_distribution = resampled_means(deltas, tokens.astype(float), replicates=999, seed=4)
    theirs = stats.bootstrap(
        (deltas, tokens), weighted, n_resamples=0, bootstrap_result=any_result, **options
    ).confidence_interval
    assert (ours.lower, ours.upper) == pytest.approx((theirs.low, theirs.high), rel=1e-9)


@pytest.mark.parametrize("shape", SHAPES)
def test_scipys_own_replicates_agree_within_monte_carlo_error(shape):
    deltas, tokens = draw(shape, 60, seed=2)
    ours = bca_interval(deltas.tolist(), tokens.tolist(), replicates=20_000, seed=0)
    theirs = stats.bootstrap(
        (deltas, tokens), weighted, paired=True, n_resamples=20_000, method="BCa", rng=9
    ).confidence_interval
    spread = (ours.upper - ours.lower) / 4
    assert ours.lower == pytest.approx(theirs.low, abs=0.08 * spread)
    assert ours.upper == pytest.approx(theirs.high, abs=0.08 * spread)


def test_the_plain_loop_on_the_same_indices():
    deltas, tokens = (values.tolist() for values in draw("lognormal", 25, seed=3))
    n, replicates = len(deltas), 400

    def mean_of(positions):
        return sum(tokens[i] * deltas[i] for i in positions) / sum(tokens[i] for i in positions)

    mean = mean_of(range(n))
    drawn = np.random.default_rng(11).integers(0, n, (replicates, n))
    means = sorted(mean_of(row) for row in drawn.tolist())
    normal = statistics.NormalDist()
    bias = normal.inv_cdf(sum(value < mean for value in means) / replicates)
    left_out = [mean_of([j for j in range(n) if j != i]) for i in range(n)]
    influence = [statistics.fmean(left_out) - value for value in left_out]
    acceleration = sum(u**3 for u in influence) / (6 * sum(u**2 for u in influence) ** 1.5)

    def end(tail):
        z = bias + normal.inv_cdf(tail)
        place = normal.cdf(bias + z / (1 - acceleration * z)) * (replicates - 1)
        below = math.floor(place)
        return means[below] + (place - below) * (means[below + 1] - means[below])

    ours = bca_interval(deltas, tokens, replicates=replicates, seed=11)
    assert ours.mean == pytest.approx(mean, rel=1e-12)
    assert (ours.bias, ours.acceleration) == pytest.approx((bias, acceleration), rel=1e-10)
    assert (ours.lower, ours.upper) == pytest.approx((end(0.025), end(0.975)), rel=1e-10)


def test_more_draws_than_a_block_holds():
    deltas, tokens = (values.tolist() for values in draw("normal", 3000, seed=5, tokens="equal"))
    interval = bca_interval(deltas, tokens, replicates=1200, seed=0)
    assert interval.half_width == pytest.approx(1.96 * statistics.stdev(deltas) / math.sqrt(3000), rel=0.1)


@pytest.mark.parametrize(("shape", "least"), [("normal", 92.5), ("lognormal", 90.0)])
def test_the_interval_holds_the_truth_about_as_often_as_it_says(shape, least):
    # Monte-Carlo error: 0.7 points at 95 %
    assert least <= coverage(shape, "masked", 180, repetitions=1000) <= 97.0


@pytest.mark.slow
@pytest.mark.parametrize(("shape", "tokens", "n"), product(SHAPES, TOKENS, (180, 240, 400)))
def test_coverage(shape, tokens, n):
    least = {"normal": 93.0, "t, 3 df": 92.0, "lognormal": 91.0}[shape]
    assert least <= coverage(shape, tokens, n, repetitions=2000) <= 97.0


def coverage(shape, tokens, n, *, repetitions):
    """Percent of intervals around samples of true mean 0 that hold 0."""
    held = 0
    for seed in range(repetitions):
        deltas, counts = draw(shape, n, seed=[seed, n], tokens=tokens)
        interval = bca_interval(deltas.tolist(), counts.tolist(), replicates=1200, seed=seed)
        held += interval.lower <= 0.0 <= interval.upper
    return 100.0 * held / repetitions


samples = st.lists(
    st.tuples(st.floats(-8.0, 8.0).map(lambda x: round(x, 6)), st.integers(1, 400)), min_size=5, max_size=40
)


@settings(max_examples=50, deadline=None)
@given(samples, st.sampled_from([2.0**-30, 4.0]))
def test_scaling_and_reversing_the_differences_scales_and_reverses_the_interval(pairs, scale):
    deltas, tokens = zip(*pairs, strict=True)
    assume(np.std(deltas) > 1e-3)
    plain = bca_interval(deltas, tokens, replicates=200, seed=1)
    other = bca_interval([-scale * delta for delta in deltas], tokens, replicates=200, seed=1)
    tolerance = 1e-9 * scale
    assert other.mean == pytest.approx(-scale * plain.mean, abs=tolerance)
    assert other.lower == pytest.approx(-scale * plain.upper, abs=tolerance)
    assert other.upper == pytest.approx(-scale * plain.lower, abs=tolerance)
    assert other.acceleration == pytest.approx(-plain.acceleration, abs=1e-9)


@given(st.floats(-1e6, 1e6), st.lists(st.integers(1, 200), min_size=2, max_size=12))
def test_equal_differences_have_no_width(delta, tokens):
    interval = bca_interval([delta] * len(tokens), tokens, replicates=1200, seed=0)
    assert interval.lower == interval.mean == interval.upper == delta
    assert interval.bias == interval.acceleration == interval.half_width == 0.0


def test_differences_too_small_to_cube_still_have_an_interval():
    deltas, tokens = [1e-200, 3e-200, 2e-200, 9e-200], [5, 7, 6, 5]
    tiny = bca_interval(deltas, tokens, replicates=400, seed=0)
    plain = bca_interval([delta * 1e200 for delta in deltas], tokens, replicates=400, seed=0)
    assert tiny.acceleration == pytest.approx(plain.acceleration, rel=1e-9)
    assert tiny.upper == pytest.approx(plain.upper * 1e-200, rel=1e-9, abs=0.0)


def test_the_seed_alone_decides_the_replicates():
    deltas, tokens = (values.tolist() for values in draw("normal", 50, seed=1))
    first, again, other = (bca_interval(deltas, tokens, replicates=400, seed=s) for s in (3, 3, 4))
    assert first == again
    assert first.upper != other.upper


def test_a_release_interval_takes_a_fraction_of_a_second():
    deltas, tokens = (values.tolist() for values in draw("normal", 400, seed=1))
    start = time.perf_counter()
    bca_interval(deltas, tokens, replicates=3200, seed=0)
    assert time.perf_counter() - start < 1.0


@pytest.mark.parametrize(
    ("deltas", "tokens", "message"),
    [
        ([], [], "0 windows have no interval"),
        ([0.1], [5], "1 windows have no interval"),
        ([0.1, 0.2], [5], "2 differences, but token counts of 1 windows"),
        ([0.1, math.nan, math.inf], [5, 5, 5], r"not finite at positions \[1, 2\] of 3"),
        ([0.1, 0.2], [0, 5], r"no predicted tokens at positions \[0\] of 2"),
    ],
)
def test_what_has_no_interval_is_refused(deltas, tokens, message):
    with pytest.raises(DataError, match=message):
        bca_interval(deltas, tokens, replicates=1200, seed=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": 0.0}, "alpha = 0.0"),
        ({"alpha": math.nan}, "alpha = nan"),
        ({"replicates": 39}, "39 replicates"),
    ],
)
def test_options_that_cannot_be_used_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        bca_interval([0.1, 0.2], [5, 5], **{"replicates": 1200, "seed": 0, **options})


def test_the_weighted_mean_is_numpys():
    deltas, tokens = draw("t, 3 df", 300, seed=8)
    assert weighted_mean(deltas.tolist(), tokens.tolist()) == pytest.approx(
        np.average(deltas, weights=tokens), rel=1e-12
    )
