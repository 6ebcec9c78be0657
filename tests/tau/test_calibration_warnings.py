"""What a recommendation does not say of itself; the samples of each side are made for it."""

import numpy as np
import pytest

from invarlock.tau.calibrate import calibrate_tau_infer
from invarlock.tau.errors import TauError
from invarlock.tau.requirement import Requirement
from invarlock.tau.samples import samples_of
from invarlock.tau.split import split_samples

N = 2000
IDS = np.arange(N)
CALIBRATES = split_samples(samples_of(np.ones(N), np.ones(N, bool), ids=IDS))[0].keep


def found(q, is_in_range, requirement=None, **options):
    samples = samples_of(q, is_in_range, ids=IDS)
    return calibrate_tau_infer(samples, requirement or Requirement(max_fp=0.01), **options)


def told(q, is_in_range, requirement=None, **options):
    return found(q, is_in_range, requirement, **options).warnings


def test_nothing_to_say_where_both_sides_agree():
    inside = IDS % 2 == 0
    assert told(np.where(inside, 1.0, 0.1), inside, Requirement(0.01, max_fn=0.5, max_bottom=0.6)) == ()


def test_a_rate_of_the_evaluation_split_above_what_was_asked():
    inside = IDS % 2 == 0
    q = np.where(inside, np.where(CALIBRATES, 1.0, 0.05), np.where(CALIBRATES, 0.1, 0.2))
    ceilings = Requirement(0.01, max_fn=0.3, max_bottom=0.6)
    asked = found(q, inside, ceilings)
    assert asked.evaluation.fp_cens == asked.evaluation.fn_in == 1
    assert asked.warnings == (
        "on the evaluation split fp_cens is 1, and 0.01 at most was asked",
        "on the evaluation split fn_in is 1, and 0.3 at most was asked",
    )
    assert told(q, inside) == asked.warnings[:1]
    q = np.where(CALIBRATES & inside, 1.0, 0.1)
    assert told(q, inside, ceilings)[1].startswith("on the evaluation split bottom_rate is 1, and 0.6")


def test_an_evaluation_split_without_a_class():
    for inside, says in (
        (~CALIBRATES, "no censored sample, so fp_cens was not looked at"),
        (CALIBRATES & (IDS % 2 == 0), "no sample in range, so fn_in was not looked at"),
    ):
        q = np.where(inside, 1.0, 0.1)
        if says.startswith("no censored"):
            [warning] = told(q, inside)
        else:
            assert told(q, inside) == ()
            [warning] = told(q, inside, Requirement(0.01, max_fn=0.5))
        assert says in warning


def test_an_empty_evaluation_split_is_refused():
    with pytest.raises(TauError, match=r"all 2000 rows calibrate(.|\n)*--calibration-share"):
        found(np.ones(N), np.zeros(N, bool), calibration_share=0.99999999)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (np.nan, "every |Q| is a fault"),
        (np.inf, "every |Q| is a fault"),
        (0.0, "every sample is on the bottom"),
    ],
)
def test_a_tau_at_which_nothing_would_be_answered(value, says):
    [warning] = told(np.full(N, value), IDS % 2 == 0)
    assert says in warning
    some = np.full(N, value)
    some[0] = 1.0
    assert told(some, IDS % 2 == 0) == ()


def test_another_seed_than_0():
    inside = IDS % 2 == 0
    q = np.where(inside, 1.0, 0.1)
    [warning] = told(q, inside, seed=7)
    assert "seed 7, not 0" in warning
    assert "to choose among seeds breaks it" in warning
