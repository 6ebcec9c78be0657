import numpy as np
import pytest
import torch
from scipy import stats

from invarlock.stats.exact import clopper_pearson_upper, most_events
from invarlock.tau.errors import TauError
from invarlock.tau.gate_dtype import GateDtype
from invarlock.tau.recommend import recommend_tau_infer
from invarlock.tau.recommendation_record import TauRecommendation
from invarlock.tau.requirement import Requirement
from invarlock.tau.samples import CHUNK, samples_of

ALPHA = DELTA = 0.05
FIVE_PERCENT = Requirement(max_fp=ALPHA, confidence=1 - DELTA)


def censored(values, **options):
    """Samples that are all censored, but for one in range."""
    values = np.append(np.asarray(values), np.asarray(values).dtype.type(1.0))
    return samples_of(values, np.arange(values.size) == values.size - 1, **options)


def test_the_guarantee_holds_where_the_observed_rate_breaks_it():
    # |Q| of the censored is exponential, so the true fp_cens at tau is exp(-tau).
    n, repeats = 500, 20_000
    draws = np.sort(np.random.default_rng(20).exponential(size=(repeats, n)), axis=1)[:, ::-1]
    k = most_events(ALPHA, n, confidence=1 - DELTA)
    ours = np.nextafter(draws[:, k], np.inf)
    observed = np.nextafter(
        draws[:, int(ALPHA * n)], np.inf
    )  # the smallest tau with an observed rate <= alpha
    assert np.mean(np.exp(-observed) > ALPHA) == pytest.approx(0.553, abs=0.01)
    assert np.mean(np.exp(-ours) > ALPHA) <= DELTA
    assert np.mean(np.exp(-ours) > ALPHA) == pytest.approx(stats.binom.cdf(k, n, ALPHA), abs=0.006)
    for draw, tau in zip(draws[:40], ours[:40], strict=True):
        assert recommend_tau_infer(censored(draw), FIVE_PERCENT).tau_infer == tau


def test_the_guarantee_holds_with_ties_faults_and_a_coarse_dtype():
    n, repeats, fault = 120, 600, 0.3
    rng = np.random.default_rng(21)
    values = np.arange(1, 41) / 4  # all the |Q| there are, each with the same probability, unless a fault
    wrong = 0
    for _ in range(repeats):
        draw = np.where(rng.random(n) < fault, np.nan, rng.choice(values, n)).astype(np.float16)
        tau = recommend_tau_infer(censored(draw), Requirement(max_fp=0.2, confidence=0.9)).tau_infer
        wrong += (1 - fault) * np.mean(values >= tau) > 0.2
    assert 0 < wrong / repeats <= 0.1


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("n", [59, 93, 500, 2000])
def test_is_the_smallest_value_of_the_dtype_that_passes_the_binomial_test(dtype, n):
    draw = np.random.default_rng(n).exponential(size=n).astype(dtype)
    found = recommend_tau_infer(censored(draw), FIVE_PERCENT)

    def passes(tau):
        return stats.binom.cdf(int((draw >= tau).sum()), n, ALPHA) <= DELTA

    tau = dtype(found.tau_infer)
    assert passes(tau)
    assert not passes(np.nextafter(tau, dtype(0)))
    assert found.calibration.fp_cens_count <= found.k
    assert found.calibration.fp_cens_upper <= ALPHA
    assert found.calibration.fp_cens_upper == clopper_pearson_upper(found.calibration.fp_cens_count, n)


def test_carries_what_a_reviewer_needs():
    rng = np.random.default_rng(5)
    q, labels = rng.exponential(size=2000), rng.random(2000) < 0.7
    q[::100] = np.nan
    samples = samples_of(q, labels)
    found = recommend_tau_infer(samples, Requirement(max_fp=0.05, max_fn=0.99, max_bottom=0.99))
    point = found.calibration
    assert (found.status, found.binding, found.n_cens, found.n_needed) == ("ok", None, (~labels).sum(), 59)
    assert point.tau == found.tau_infer
    assert point.fn_in == np.mean(~(q[labels] >= found.tau_infer))
    assert point.bottom_rate == np.mean(~(q >= found.tau_infer))
    assert point.n_fault == 20
    assert f"{point.fp_cens_count} of {found.n_cens} censored" in found.statement
    assert TauRecommendation.model_validate_json(found.model_dump_json()) == found


def test_faults_count_as_censored_samples_that_are_never_accepted():
    draw = np.random.default_rng(6).exponential(size=300)
    faulty = np.concatenate([draw, np.full(300, np.nan)])
    found = recommend_tau_infer(censored(faulty), FIVE_PERCENT)
    assert (found.n_cens, found.k) == (600, most_events(0.05, 600))
    assert found.tau_infer == np.nextafter(np.sort(draw)[::-1][found.k], np.inf)


def test_where_faults_leave_too_few_values_any_normal_tau_does():
    found = recommend_tau_infer(censored(np.float32([3.0] + [np.inf] * 99)), Requirement(max_fp=0.05))
    assert found.k == 1
    assert found.tau_infer == np.finfo(np.float32).smallest_normal
    assert found.calibration.fp_cens == 0.01


@pytest.mark.parametrize("dtype", GateDtype)
def test_a_tau_is_a_normal_number_that_a_bundle_may_hold(dtype):
    smallest = torch.finfo(getattr(torch, dtype.value)).smallest_normal
    zeros = censored(np.zeros(400), gate_dtype=dtype)
    found = recommend_tau_infer(zeros, FIVE_PERCENT)
    assert (found.status, found.tau_infer) == ("ok", smallest)
    assert "the smallest normal number" in found.statement
    grid = [dtype.next_above(smallest / 2), dtype.next_above(smallest)]
    assert recommend_tau_infer(zeros, FIVE_PERCENT, taus=grid).tau_infer == grid[1]
    below = recommend_tau_infer(zeros, FIVE_PERCENT, taus=grid[:1])
    assert (below.status, below.statement[:13]) == ("infeasible", "No normal tau")


def test_rows_of_one_censored_sample_are_refused():
    # 30 samples of 10 rows each: 300 rows would show 1 %, and break the promise in three draws of four.
    draw, ids = np.repeat(np.random.default_rng(1).exponential(size=30), 10), np.repeat(np.arange(30), 10)
    with pytest.raises(TauError, match="270 of 300 censored rows repeat the id of another"):
        recommend_tau_infer(samples_of(draw, np.zeros(300, bool), ids=ids), Requirement(max_fp=0.01))
    inside = np.append(np.zeros(300, bool), [True, True])  # of samples in range nothing is promised
    draw, ids = np.random.default_rng(1).exponential(size=302), np.append(np.arange(300), [7, 7])
    assert recommend_tau_infer(samples_of(draw, inside, ids=ids), Requirement(max_fp=0.01)).status == "ok"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "only if every row is a sample of its own"),
        ({"rows_are_samples": True}, "the operator's word"),
        ({"ids": np.arange(301)}, "of fresh ones will be."),
    ],
)
def test_the_statement_says_whose_word_it_is_that_rows_are_independent(options, says):
    draw = np.random.default_rng(1).exponential(size=300)
    found = recommend_tau_infer(censored(draw, **options), Requirement(max_fp=0.01))
    assert says in found.statement
    assert found.statement.endswith("of fresh ones will be.") == ("ids" in options)
    few = recommend_tau_infer(
        censored(draw[:9], **({} if "ids" in options else options)), Requirement(max_fp=0.01)
    )
    assert few.statement.endswith("none of them is accepted.")  # nothing is promised


@pytest.mark.parametrize(("n", "status"), [(0, "insufficient_data"), (298, "insufficient_data"), (299, "ok")])
def test_299_censored_samples_can_show_one_percent(n, status):
    found = recommend_tau_infer(
        censored(np.random.default_rng(0).exponential(size=n)), Requirement(max_fp=0.01)
    )
    assert found.status == status
    assert found.n_needed == 299
    assert (found.tau_infer is None) == (found.k is None) == (status != "ok")
    assert found.binding == (None if status == "ok" else "max_fp")
    assert ("299 can" in found.statement) == (status != "ok")


def test_no_value_above_the_largest_is_infeasible():
    found = recommend_tau_infer(censored(np.full(100, np.finfo(np.float16).max)), FIVE_PERCENT)
    assert (found.status, found.binding, found.tau_infer) == ("infeasible", "max_fp", None)
    assert found.calibration is None


@pytest.mark.parametrize(
    ("ceiling", "binding"), [({"max_fn": 0.9}, "max_fn"), ({"max_bottom": 0.9}, "max_bottom")]
)
def test_a_ceiling_that_binds_is_named_with_the_rate_that_breaks_it(ceiling, binding):
    rng = np.random.default_rng(7)
    samples = samples_of(rng.exponential(size=2000), rng.random(2000) < 0.5)
    found = recommend_tau_infer(samples, Requirement(max_fp=0.05, **ceiling))
    assert (found.status, found.binding, found.tau_infer) == ("infeasible", binding, None)
    assert found.calibration.fp_cens_upper <= 0.05
    least = found.calibration.fn_in if binding == "max_fn" else found.calibration.bottom_rate
    rate = binding.replace("max_fn", "fn_in").replace("max_bottom", "bottom_rate")
    assert found.statement.startswith("No tau to choose from that meets fp_cens <= 0.05 has ")
    assert f" {rate} below {least:.4g}, which it is at {found.calibration.tau:.6g}" in found.statement
    assert found.statement.endswith(f"{rate} <= 0.9 was asked.")


def test_a_ceiling_on_fn_in_without_samples_in_range_cannot_be_judged():
    samples = samples_of(np.random.default_rng(8).exponential(size=100), np.zeros(100, bool))
    found = recommend_tau_infer(samples, Requirement(max_fp=0.05, max_fn=0.5))
    assert (found.status, found.binding) == ("insufficient_data", "max_fn")
    assert found.statement == "No sample is in range: nothing can show fn_in <= 0.5."
    assert recommend_tau_infer(samples, FIVE_PERCENT).status == "ok"


def test_the_grid_gives_its_smallest_tau_at_or_above_the_exact_one():
    draw = np.random.default_rng(9).exponential(size=500)
    exact = recommend_tau_infer(censored(draw), FIVE_PERCENT).tau_infer
    k = most_events(ALPHA, 500)
    around = np.sort(draw)[::-1][k - 2 : k + 4]  # the (k + 1)-th largest, those before it, and those after
    near = [*np.nextafter(around, np.inf).tolist(), *around.tolist()]
    for grid in (
        [5.0, 0.1, exact, 9.0],
        [exact * 1.01, exact * 0.99, 7.0],
        np.linspace(0.1, 9, 50),
        near,
        around,
    ):
        found = recommend_tau_infer(censored(draw), FIVE_PERCENT, taus=grid)
        assert found.tau_infer == min(tau for tau in grid if tau >= exact)
        assert found.grid == tuple(grid)


def test_a_grid_below_the_exact_tau_is_infeasible():
    draw = np.random.default_rng(9).exponential(size=500)
    found = recommend_tau_infer(censored(draw), FIVE_PERCENT, taus=[0.1, 0.2])
    assert (found.status, found.binding, found.tau_infer) == ("infeasible", "max_fp", None)


def test_the_gates_narrower_dtype_is_what_tau_is_exact_in():
    draw = np.random.default_rng(10).exponential(size=500)
    for dtype in GateDtype:
        found = recommend_tau_infer(censored(draw, gate_dtype=dtype), FIVE_PERCENT)
        rounded = np.sort(dtype.round(draw))[::-1]
        assert found.tau_infer == dtype.next_above(float(rounded[found.k]))
        assert found.dtype == dtype


def test_many_chunks():
    n = CHUNK + 4321
    draw = np.random.default_rng(11).exponential(size=n).astype(np.float32)
    found = recommend_tau_infer(censored(draw), FIVE_PERCENT)
    assert found.tau_infer == np.nextafter(np.sort(draw)[::-1][found.k], np.float32(np.inf))


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"max_fp": 0.0}, "max_fp 0.0"),
        ({"max_fp": 1.0}, "max_fp 1.0"),
        ({"max_fp": np.nan}, "max_fp nan"),
        ({"max_fp": None}, "max_fp None"),
        ({"max_fp": 0.1, "max_fn": "0.1"}, "max_fn 0.1"),
        ({"max_fp": 0.1, "confidence": 1.0}, "confidence 1.0"),
        ({"max_fp": 0.1, "max_fn": -0.1}, "max_fn -0.1"),
        ({"max_fp": 0.1, "max_bottom": 1.1}, "max_bottom 1.1"),
    ],
)
def test_requirements_that_are_none(values, name):
    with pytest.raises(TauError, match=name):
        Requirement(**values)
