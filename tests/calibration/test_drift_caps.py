import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from invarlock.calibration.drift_caps import recommend_drift_caps, round_up, runs_needed, scale_runs
from invarlock.calibration.null_reports import FixedSettings, NullObservation
from invarlock.errors import ConfigError, DataError
from invarlock.families import Family
from invarlock.policy.schema import Correction

KINDS = ("log_sigma", "relative_change", "edit_edge")
# Families and statistics of very different size, as in practice.
SCALE = np.outer([1.0, 5.0, 0.2, 30.0], [1e-4, 1e-2, 1.0])


def observation(values: np.ndarray, weights: str, baseline: str = "b") -> NullObservation:
    """A run whose drift is ``values``, 4 families by 3 statistics."""
    drift = {
        family: dict(zip(KINDS, row.tolist(), strict=True))
        for family, row in zip(Family, values, strict=True)
    }
    return NullObservation(
        tier="balanced",
        baseline=baseline,
        weights=weights,
        unchanged=False,
        method=Correction.BH,
        alpha=0.05,
        m=4,
        fixed=FixedSettings(),
        max_z={Family.FFN: 1.0},
        modules={Family.FFN: 4},
        p_values={},
        candidates={},
        selected=(),
        warns=False,
        max_drift=drift,
    )


def draw(rng: np.random.Generator, n: int) -> np.ndarray:
    """n runs of heavy-tailed drift, dependent between families through a shared size of the edit."""
    shared = rng.standard_normal((n, 1, 1))
    own = rng.standard_normal((n, 4, 3))
    return SCALE * np.exp(0.8 * shared + 0.6 * own)


def pooled(values: np.ndarray, models: int) -> list[NullObservation]:
    """Runs in the order of a sweep: all of the first baseline, then all of the next."""
    each = len(values) // models
    return [observation(run, str(i), baseline=f"b{i // each}") for i, run in enumerate(values)]


def caps_of(values: np.ndarray, target: float, models: int = 1) -> np.ndarray:
    runs = pooled(values, models)
    caps = recommend_drift_caps(runs, target=target).caps
    return np.array([[caps[family][kind] for kind in KINDS] for family in Family])


@pytest.mark.parametrize(("target", "n"), [(0.05, 79), (0.05, 130), (0.1, 60)])
def test_a_fresh_run_warns_no_more_often_than_the_target_with_95_percent_confidence(target, n):
    rng = np.random.default_rng(n)
    fresh = draw(rng, 20_000)
    simulations = 300
    broken = 0
    for _ in range(simulations):
        caps = caps_of(draw(rng, n), target)
        broken += (fresh > caps).any(axis=(1, 2)).mean() > target
    # As many broken promises as 5 % allow, by chance at most one time in a thousand.
    assert broken <= stats.binom.ppf(0.999, simulations, 0.05)


def size_of_drift(models: int, each: int, spread: float) -> np.ndarray:
    """Factor on the drift of each run: an edit moves each next baseline more, by the share ``spread``."""
    return np.repeat((1 + spread) ** np.arange(models), each)[:, None, None]


def broken_promises(
    models: int, draws: Callable[[], np.ndarray], *, factors: np.ndarray, simulations: int
) -> int:
    """Simulated sweeps whose caps more than 5 % of fresh edits of the pooled baselines exceed."""
    fresh = draw(np.random.default_rng(1), 19_998)
    fresh *= np.resize(np.unique(factors), len(fresh))[:, None, None]
    caps = (caps_of(draws() * factors, 0.05, models) for _ in range(simulations))
    return sum((fresh > cap).any(axis=(1, 2)).mean() > 0.05 for cap in caps)


@pytest.mark.parametrize("models", [1, 2, 3])
@pytest.mark.parametrize("spread", [0.001, 1.0])
def test_pooled_baselines_keep_the_promise_when_their_edits_are_independent(models, spread):
    rng = np.random.default_rng(models)
    factors = size_of_drift(models, 84 // models, spread)
    broken = broken_promises(models, lambda: draw(rng, 84), factors=factors, simulations=300)
    assert broken <= stats.binom.ppf(0.999, 300, 0.05)


def test_pooled_baselines_break_the_promise_when_they_share_their_edits():
    # Why an edit is drawn for each baseline and seed (invarlock.edits.benign), not for each seed.
    rng = np.random.default_rng(5)
    factors = size_of_drift(2, 42, 0.001)
    broken = broken_promises(2, lambda: np.concatenate([draw(rng, 42)] * 2), factors=factors, simulations=100)
    assert broken > stats.binom.ppf(0.999, 100, 0.05)


def test_scales_come_from_every_baseline():
    values = draw(np.random.default_rng(6), 84)
    values[:42, :, 0] = 0.0  # log_sigma of the first baseline never moves
    recommendation = recommend_drift_caps(pooled(values, 2), target=0.05)
    assert recommendation.supported
    assert min(caps["log_sigma"] for caps in recommendation.caps.values()) > 0


def test_a_family_that_the_first_edits_leave_alone_does_not_widen_the_caps_of_the_others():
    values = draw(np.random.default_rng(5), 79)
    others = caps_of(values, 0.05)[1:]
    values[:12, 0] *= 1e-3
    assert (caps_of(values, 0.05)[1:] <= 2 * others).all()


def test_the_largest_value_seen_breaks_the_promise_that_the_order_statistic_keeps():
    rng = np.random.default_rng(3)
    fresh = draw(rng, 20_000)
    n, simulations = 84, 100
    broken = sum(
        (fresh > draw(rng, n).max(axis=0)).any(axis=(1, 2)).mean() > 0.05 for _ in range(simulations)
    )
    assert broken > 40


def test_too_few_runs_give_the_largest_seen_marked_unsupported():
    rng = np.random.default_rng(0)
    values = draw(rng, 78)
    runs = [observation(run, str(i)) for i, run in enumerate(values)]
    recommendation = recommend_drift_caps(runs, target=0.05)
    assert not recommendation.supported
    assert recommendation.n_needed == 79
    assert recommendation.rank is None
    assert "cannot bound a rate of 0.05; 79 can" in recommendation.statement
    assert "79 can" in recommendation.statement
    caps = caps_of(values, 0.05)
    assert (caps >= values.max(axis=0)).all()
    np.testing.assert_allclose(caps, values.max(axis=0), rtol=2e-3)
    more = [*runs, observation(draw(rng, 1)[0], "more")]
    assert recommend_drift_caps(more, target=0.05).supported


def test_repeated_and_unchanged_weights_are_no_further_draw():
    values = draw(np.random.default_rng(1), 10)
    runs = [observation(run, str(i)) for i, run in enumerate(values)]
    padded = [*runs, *runs, replace(runs[0], weights="b", unchanged=True)]
    assert recommend_drift_caps(padded, target=0.05) == recommend_drift_caps(runs, target=0.05)


@pytest.mark.parametrize(("target", "total"), [(0.01, 319), (0.05, 79), (0.5, 7)])
def test_runs_needed_is_the_smallest_that_supports(target, total):
    clean = math.ceil(math.log(0.05) / math.log(1 - target))
    assert runs_needed(target) == total
    assert total - scale_runs(total) >= clean > total - 1 - scale_runs(total - 1)


@pytest.mark.parametrize("value", [0.0, 1e-9, 0.00012345678, 1.0, 1.0001, 9.9999, 13.9, 123456.0])
def test_caps_round_up_to_four_digits(value):
    rounded = round_up(value)
    assert value <= rounded <= value * (1 + 1e-3)
    assert float(f"{rounded:.4g}") == rounded


def test_a_family_that_never_moved_is_capped_by_its_statistics_scale():
    values = draw(np.random.default_rng(2), 79)
    values[:, 2, :] = 0.0
    caps = caps_of(values, 0.05)
    assert (caps[2] > 0).all()


def test_what_cannot_be_bounded_is_an_error():
    values = draw(np.random.default_rng(4), 3)
    runs = [observation(run, str(i)) for i, run in enumerate(values)]
    for target in (0.0, 1.0):
        with pytest.raises(ConfigError, match="target"):
            recommend_drift_caps(runs, target=target)
    with pytest.raises(DataError, match="no run has moved"):
        recommend_drift_caps([replace(runs[0], unchanged=True)], target=0.05)
    fewer = replace(runs[1], max_drift={Family.FFN: runs[1].max_drift[Family.FFN]})
    with pytest.raises(DataError, match="differ in the families"):
        recommend_drift_caps([runs[0], fewer], target=0.05)
    with pytest.raises(DataError, match="log_sigma is 0"):
        recommend_drift_caps([observation(np.zeros((4, 3)), str(i)) for i in range(3)], target=0.05)
