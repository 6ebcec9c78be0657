import numpy as np
import pytest
from pydantic import ValidationError

from invarlock.errors import DataError
from invarlock.measure.records import WindowHits
from invarlock.metrics.accuracy import accuracy, accuracy_metric
from invarlock.stats.bca import bca_interval


def scored(hits, tokens):
    return [
        WindowHits(window_id=f"w{i}", tokens=count, hits=hit)
        for i, (hit, count) in enumerate(zip(hits, tokens, strict=True))
    ]


def test_accuracy_is_pooled_over_predicted_tokens():
    assert accuracy(scored([1, 9], [10, 10])) == 0.5
    assert accuracy(scored([1, 90], [10, 90])) == 0.91


def test_the_change_is_in_percentage_points_with_a_paired_interval():
    rng = np.random.default_rng(0)
    tokens = rng.integers(20, 128, 200)
    theirs = rng.binomial(tokens, 0.40)
    ours = np.maximum(theirs - rng.binomial(3, 0.5, 200), 0)
    metric = accuracy_metric(
        scored([1], [2]), scored(ours, tokens), scored(theirs, tokens), replicates=1200, seed=5
    )
    change = 100 * (ours.sum() - theirs.sum()) / tokens.sum()
    expected = bca_interval(((ours - theirs) / tokens).tolist(), tokens.tolist(), replicates=1200, seed=5)
    assert metric.delta_pp == pytest.approx(change, rel=1e-12)
    assert metric.delta_pp == pytest.approx(100 * (metric.final - metric.baseline_final), rel=1e-9)
    assert metric.display_ci == (100 * expected.lower, 100 * expected.upper)
    assert metric.display_ci[0] < metric.delta_pp < metric.display_ci[1]
    assert (metric.preview, metric.examples, metric.tokens) == (0.5, 200, tokens.sum())


def test_a_change_of_exactly_a_decimal_reads_so():
    tokens = [100] * 10
    theirs, ours = [50] * 10, [49] * 9 + [48]
    metric = accuracy_metric(
        scored([1], [2]), scored(ours, tokens), scored(theirs, tokens), replicates=40, seed=0
    )
    assert metric.delta_pp == -1.1


def test_arms_on_other_windows_and_no_windows_are_errors():
    one, two = scored([1, 2], [5, 5]), scored([1, 2], [5, 6])
    with pytest.raises(DataError, match="same windows"):
        accuracy_metric(one, one, two, replicates=40, seed=0)
    with pytest.raises(DataError, match="no windows"):
        accuracy([])


def test_more_hits_than_predictions_are_no_record():
    with pytest.raises(ValidationError, match="6 hits among 5"):
        WindowHits(window_id="w", tokens=5, hits=6)
