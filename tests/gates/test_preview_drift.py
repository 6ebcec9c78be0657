import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invarlock.errors import DataError
from invarlock.gates.preview_drift import MetricPair, judge_drift
from invarlock.gates.support import GateStatus

EVEN = MetricPair(preview=20.0, final=20.0)


@pytest.mark.parametrize(
    ("preview", "final", "acceptable"),
    [
        (20.0, 20.0, True),
        (20.0, 19.0, True),
        (20.0, 21.0, True),
        (20.0, 18.999, False),
        (20.0, 21.001, False),
        (0.5, 0.52, True),  # an accuracy
    ],
)
def test_the_band_holds_its_ends_where_the_baseline_does_not_drift(preview, final, acceptable):
    flag = judge_drift(MetricPair(preview, final), EVEN, GateStatus.ENFORCED)
    assert flag.within is acceptable
    assert flag.acceptable is acceptable
    assert (flag.drift, flag.baseline_drift) == (final / preview, 1.0)
    assert (flag.relative_drift, flag.lowest, flag.highest) == (final / preview, 0.95, 1.05)


positive = st.floats(0.01, 1e4)


@given(positive, positive)
def test_harder_final_windows_alone_are_no_drift(preview, final):
    pair = MetricPair(preview, final)
    assert judge_drift(pair, pair, GateStatus.ENFORCED).relative_drift == 1.0


def test_an_edit_that_harms_only_the_final_windows_drifts_whatever_the_baseline_does():
    flag = judge_drift(MetricPair(20.0, 20.0), MetricPair(20.0, 18.0), GateStatus.ENFORCED)
    assert (flag.acceptable, flag.drift) == (False, 1.0)


@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf])
@pytest.mark.parametrize("name", ["preview", "final"])
def test_a_metric_without_a_ratio_is_refused(name, value):
    pair = MetricPair(**{"preview": 20.0, "final": 20.0, name: value})
    with pytest.raises(DataError, match=f"the subject's {name} metric is {value}"):
        judge_drift(pair, EVEN, GateStatus.ENFORCED)
    with pytest.raises(DataError, match=f"the baseline's {name} metric is {value}"):
        judge_drift(EVEN, pair, GateStatus.ENFORCED)


@pytest.mark.parametrize("preview", [0.0, 0.02])
@pytest.mark.parametrize("final", [0.0, 0.02])
def test_two_models_that_score_alike_have_not_drifted(preview, final):
    """An accuracy of 0 too: a model against itself holds."""
    pair = MetricPair(preview, final)
    flag = judge_drift(pair, pair, GateStatus.ENFORCED)
    assert (flag.acceptable, flag.relative_drift) == (True, 1.0)
    assert flag.drift == (None if preview == 0 else final / preview)


@pytest.mark.parametrize(
    ("subject", "baseline", "relative"),
    [
        (MetricPair(0.5, 0.0), MetricPair(0.5, 0.5), 0.0),
        (MetricPair(0.0, 0.5), MetricPair(0.5, 0.5), None),
        (MetricPair(0.5, 0.5), MetricPair(0.0, 0.5), None),
        (MetricPair(0.5, 0.5), MetricPair(0.5, 0.0), None),
        (MetricPair(0.0, 0.0), MetricPair(0.5, 0.5), None),
    ],
)
def test_an_accuracy_of_0_on_one_side_alone_is_outside_the_band(subject, baseline, relative):
    flag = judge_drift(subject, baseline, GateStatus.ENFORCED)
    assert (flag.acceptable, flag.within, flag.relative_drift) == (False, False, relative)


def test_a_drift_on_too_little_is_told_and_fails_nothing():
    flag = judge_drift(MetricPair(0.02, 0.03), MetricPair(0.02, 0.02), GateStatus.UNDERPOWERED)
    assert (flag.acceptable, flag.within, flag.status) == (True, False, GateStatus.UNDERPOWERED)
    assert flag.relative_drift == pytest.approx(1.5)
