import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invarlock.errors import DataError, MeasurementError
from invarlock.measure.records import WindowLoss
from invarlock.metrics.paired_ratio import ratio_with_interval
from invarlock.metrics.paired_windows import pair_losses
from invarlock.metrics.perplexity import paired_ratio, perplexity
from invarlock.stats.bca import bca_interval

ARMS = ("subject", "baseline")


def arm(means, tokens):
    return [
        WindowLoss(window_id=f"w{i}", nll=mean * count, tokens=count)
        for i, (mean, count) in enumerate(zip(means, tokens, strict=True))
    ]


def arms(n=60, worse=0.05, seed=0):
    rng = np.random.default_rng(seed)
    tokens = rng.integers(20, 128, n).tolist()
    means = rng.normal(3.0, 0.4, n)
    return arm((means + rng.normal(worse, 0.02, n)).tolist(), tokens), arm(means.tolist(), tokens)


def test_the_ratio_is_that_of_the_perplexities_and_its_interval_the_exp_of_the_differences():
    subject, baseline = arms()
    pairs = pair_losses(subject, baseline, arms=ARMS)
    ratio = ratio_with_interval(pairs, replicates=1200, seed=3)
    plain = bca_interval(pairs.deltas, pairs.tokens, replicates=1200, seed=3)
    assert ratio.ratio_vs_baseline == pytest.approx(perplexity(subject) / perplexity(baseline), rel=1e-12)
    assert ratio.ratio_vs_baseline == paired_ratio(subject, baseline)
    assert ratio.display_ci == (math.exp(plain.lower), math.exp(plain.upper))
    assert ratio.interval == plain
    assert ratio.tokens == sum(loss.tokens for loss in subject)


def test_a_model_against_itself_has_ratio_one_and_no_width():
    _, baseline = arms()
    ratio = ratio_with_interval(pair_losses(baseline, baseline, arms=ARMS), replicates=1200, seed=0)
    assert (ratio.ratio_vs_baseline, ratio.display_ci) == (1.0, (1.0, 1.0))


@given(st.floats(0.0, 3.0))
def test_a_loss_added_to_every_window_moves_ratio_and_interval_up(extra):
    subject, baseline = arms(n=20)
    pairs = pair_losses(subject, baseline, arms=ARMS)
    worse = [
        WindowLoss(window_id=w.window_id, nll=w.nll + extra * w.tokens, tokens=w.tokens) for w in subject
    ]
    before, after = (
        ratio_with_interval(each, replicates=200, seed=0)
        for each in (pairs, pair_losses(worse, baseline, arms=ARMS))
    )
    assert after.interval.mean == pytest.approx(before.interval.mean + extra, abs=1e-9)
    assert after.interval.upper == pytest.approx(before.interval.upper + extra, abs=1e-9)


def test_a_ratio_beyond_every_float_is_an_error_and_not_infinite():
    subject, baseline = arms(worse=1000.0)
    with pytest.raises(MeasurementError, match=r"exp\(\d+.*\), a perplexity or its ratio, is not a finite"):
        ratio_with_interval(pair_losses(subject, baseline, arms=ARMS), replicates=200, seed=0)
    with pytest.raises(MeasurementError, match="not a finite"):
        perplexity(subject)


def test_no_windows_have_no_ratio():
    with pytest.raises(DataError, match="no windows"):
        paired_ratio([], [])
