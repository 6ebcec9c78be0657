import numpy as np
import pytest

from invarlock.calibration.tau import TABLE, find_tau, table_taus
from invarlock.calibration.tau_records import SampleColumn, Swept, TauQuestion
from invarlock.calibration.tau_request import TauSweepRequest
from invarlock.tau.errors import TauError
from invarlock.tau.requirement import Requirement
from invarlock.tau.samples import samples_of
from invarlock.tau.split import split_samples
from tests.calibration.tau_samples import drawn

COLUMN = SampleColumn(sha256="a" * 64, column="q_abs")


def question(**changes):
    values = {
        "q_abs": COLUMN,
        "labels": COLUMN,
        "ids": None,
        "rows_are_samples": False,
        "gate_dtype": None,
        "taus": (),
        "requirement": Requirement(0.01),
        "tau_train_multiple": None,
        "target_gap_rate": None,
        "seed": 3,
        "calibration_share": 0.5,
    }
    return TauQuestion(**{**values, **changes})


def test_curves_are_of_the_samples_that_calibrate_with_the_recommended_tau_among_them():
    q_abs, is_in_range = drawn()
    samples = samples_of(q_abs, is_in_range)
    found = find_tau(samples, question())
    part, _, recipe = split_samples(samples, seed=3)
    tau = found.calibration.recommendation.tau_infer
    assert (found.swept, found.sweep.n) == (Swept.CALIBRATION, recipe.n_calibration)
    assert (found.calibration.split, found.calibration.evaluation.n) == (recipe, recipe.n_evaluation)
    place = found.sweep.taus.index(tau)
    kept = part.keep & ~is_in_range
    assert found.sweep.fp_cens_count[place] == (q_abs[kept] >= np.float32(tau)).sum()
    assert found.calibration.recommendation.n_cens == kept.sum() == found.sweep.n_cens
    assert list(found.sweep.taus) == sorted(found.sweep.taus)


def test_without_a_requirement_all_samples_are_swept_and_nothing_is_recommended():
    samples = samples_of(*drawn(500))
    found = find_tau(samples, question(requirement=None, taus=(0.1, 0.01)))
    assert (found.swept, found.sweep.n, found.sweep.taus) == (Swept.ALL, 500, (0.1, 0.01))
    assert (found.calibration, found.tau_train) == (None, None)


def test_a_grid_is_what_is_swept_and_chosen_from():
    found = find_tau(samples_of(*drawn()), question(taus=(0.01, 0.1, 1.0)))
    assert found.sweep.taus == (0.01, 0.1, 1.0)
    assert found.calibration.recommendation.tau_infer == np.float32(0.1)


def test_tau_train_by_either_rule_and_none_without_a_tau_infer():
    samples = samples_of(*drawn())
    found = find_tau(samples, question(tau_train_multiple=4.0))
    assert found.tau_train.tau_train == 4 * found.tau_train.tau_infer
    found = find_tau(samples, question(target_gap_rate=0.1))
    assert 0.09 < found.tau_train.gap_rate <= 0.1
    few = find_tau(samples_of(*drawn(100)), question(tau_train_multiple=4.0))
    assert (few.calibration.recommendation.tau_infer, few.tau_train) == (None, None)


def test_rows_of_one_censored_sample_are_refused():
    q_abs, is_in_range = drawn(400)
    again = np.repeat(np.arange(400), 5)
    samples = samples_of(q_abs[again], is_in_range[again], ids=again)
    with pytest.raises(TauError, match="censored rows repeat the id of another"):
        find_tau(samples, question())
    assert find_tau(samples, question(requirement=None, taus=(0.1,))).sweep.n == 2000


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_taus_of_a_table_span_the_values_and_hold_in_their_dtype(dtype):
    ends = np.finfo(dtype)
    for low, high in ((1e-3, 3.0), (ends.smallest_subnormal, ends.max), (1.0, 1.0)):
        taus = table_taus(samples_of(np.array([0, low, high, np.inf], dtype), [True] * 4))
        assert taus[0] == np.array(low, dtype)
        assert taus[-1] == np.array(high, dtype)
        assert len(taus) <= TABLE
        assert list(taus) == sorted(set(taus))


def test_a_table_of_nothing_but_zeros_and_faults_has_one_tau():
    assert table_taus(samples_of([0.0, np.nan], [True, False])) == (1e-6,)


@pytest.mark.parametrize(
    "changes",
    [
        {"tiers": ()},
        {"tiers": ("balanced", "balanced")},
        {"max_fn": 0.1},
        {"target_gap_rate": 0.1},
        {"max_fp": 0.1, "target_gap_rate": 0.1, "tau_train_multiple": 2},
        {"head": "a.b"},
        {"taus": (float("nan"),)},
    ],
    ids=str,
)
def test_a_request_that_contradicts_itself(changes):
    with pytest.raises(ValueError, match=r"tier|max_fp|one rule|head|taus"):
        TauSweepRequest(q_abs="q.npy", **changes)
