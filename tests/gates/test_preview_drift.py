import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invarlock.errors import DataError
from invarlock.gates.preview_drift import MetricPair, judge_drift

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
    flag = judge_drift(MetricPair(preview, final), EVEN)
    assert flag.acceptable is acceptable
    assert (flag.drift, flag.baseline_drift) == (final / preview, 1.0)
    assert (flag.relative_drift, flag.lowest, flag.highest) == (final / preview, 0.95, 1.05)


positive = st.floats(0.01, 1e4)


@given(positive, positive)
def test_harder_final_windows_alone_are_no_drift(preview, final):
    pair = MetricPair(preview, final)
    assert judge_drift(pair, pair).relative_drift == 1.0


def test_an_edit_that_harms_only_the_final_windows_drifts_whatever_the_baseline_does():
    flag = judge_drift(MetricPair(20.0, 20.0), MetricPair(20.0, 18.0))
    assert (flag.acceptable, flag.drift) == (False, 1.0)


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
@pytest.mark.parametrize("name", ["preview", "final"])
def test_a_metric_without_a_ratio_is_refused(name, value):
    pair = MetricPair(**{"preview": 20.0, "final": 20.0, name: value})
    with pytest.raises(DataError, match=f"the subject's {name} metric is {value}"):
        judge_drift(pair, EVEN)
    with pytest.raises(DataError, match=f"the baseline's {name} metric is {value}"):
        judge_drift(EVEN, pair)
