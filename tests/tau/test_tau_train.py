import numpy as np
import pytest

from invarlock.tau.samples import samples_of
from invarlock.tau.tau_train import tau_infer_by_quantile, tau_train_by_gap_rate, tau_train_by_multiple


def samples(values):
    return samples_of(values, np.arange(len(values)) % 2 == 0)


@pytest.fixture
def q():
    values = np.exp(np.random.default_rng(0).normal(-3, 2, 1000)).astype(np.float32)
    values[::50] = np.nan
    values[5::50] = values[5]
    return values


def test_a_multiple_watches_what_lies_between(q):
    found = tau_train_by_multiple(samples(q), 1e-3, 10)
    low, high = np.float32(1e-3), np.float32(10 * 1e-3)
    assert (found.tau_infer, found.tau_train) == (low, high)
    assert found.gap_rate == np.mean((q >= low) & (q < high))
    assert found.bottom_rate == np.mean(~(q >= low))


def test_a_multiple_of_one_leaves_no_gap(q):
    assert tau_train_by_multiple(samples(q), 1e-3, 1).gap_count == 0


@pytest.mark.parametrize("rate", [0.001, 0.05, 0.3, 0.6])
def test_the_gap_rate_is_met_and_the_next_value_breaks_it(q, rate):
    found = tau_train_by_gap_rate(samples(q), 1e-2, rate)
    assert found.gap_rate <= rate
    larger = np.min(q[q > found.tau_train])
    assert np.mean((q >= np.float32(1e-2)) & (q < larger)) > rate


def test_ties_at_tau_infer_that_are_too_many_leave_no_gap():
    found = tau_train_by_gap_rate(samples(np.array([0.1] + [0.5] * 8 + [0.9])), 0.5, 0.3)
    assert (found.tau_train, found.gap_count) == (0.5, 0)


def test_a_gap_that_may_hold_all_ends_just_above_them():
    found = tau_train_by_gap_rate(samples(np.array([0.1, 0.5, 0.9, np.inf])), 0.2, 0.9)
    assert found.tau_train == np.nextafter(0.9, 1)
    assert (found.gap_count, found.bottom_count) == (2, 2)


@pytest.mark.parametrize("values", [[np.nan, np.nan], [0.1, np.nan], [0.0, 0.1]])
def test_nothing_accepted_leaves_nothing_to_watch(values):
    found = tau_train_by_gap_rate(samples(np.array(values)), 0.5, 0.5)
    assert (found.tau_train, found.gap_count, found.bottom_rate) == (0.5, 0, 1.0)


def test_most_of_the_traffic_is_worth_a_warning(q):
    assert tau_train_by_multiple(samples(q), 1e-3, 2).warnings == ()
    (warning,) = tau_train_by_multiple(samples(q), 1e-3, 1000).warnings
    assert "most of the traffic" in warning
    half = samples(np.array([0.1, 0.2, 1.0, 1.0]))
    assert tau_train_by_multiple(half, 0.1, 10).warnings == ()  # exactly half
    more = samples(np.array([0.1, 0.2, 0.3, 1.0, 1.0]))
    assert tau_train_by_multiple(more, 0.1, 10).warnings != ()


@pytest.mark.parametrize("quantile", [0.001, 0.01, 0.5, 0.999])
def test_the_robotics_pattern_takes_a_quantile_of_the_finite(q, quantile):
    tau = tau_infer_by_quantile(samples(q), quantile)
    finite = np.sort(q[np.isfinite(q)])
    assert tau in finite
    assert np.mean(finite < tau) <= quantile
    assert tau == finite[-1] or np.mean(finite < finite[finite > tau][0]) > quantile


def test_a_largest_value_of_the_dtype_has_none_above():
    largest = np.finfo(np.float16).max
    found = tau_train_by_gap_rate(samples(np.full(4, largest)), 1.0, 0.5)
    assert found.tau_train == largest


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: tau_train_by_multiple(s, 1e-3, 0.5), "multiple 0.5"),
        (
            lambda s: tau_train_by_multiple(s, 1e-3, 1e42),
            "1e\\+42 times tau_infer 0.001 overflows in float32",
        ),
        (lambda s: tau_train_by_multiple(s, 1e-3, np.inf), "multiple inf"),
        (lambda s: tau_train_by_gap_rate(s, 1e-3, 0.0), "gap_rate 0.0"),
        (lambda s: tau_train_by_gap_rate(s, 0.0, 0.1), "tau 0 is not above 0"),
        (lambda s: tau_infer_by_quantile(s, 1.0), "quantile 1.0"),
        (lambda s: tau_infer_by_quantile(samples([0.0, 0.0, 1.0]), 0.5), "the 0.5 quantile of .* is 0"),
        (lambda s: tau_infer_by_quantile(samples([np.nan, np.inf]), 0.5), "no .* is finite"),
    ],
)
def test_what_cannot_be_chosen(q, call, message):
    with pytest.raises(ValueError, match=message):
        call(samples(q))
