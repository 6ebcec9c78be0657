import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invarlock.errors import DataError, MeasurementError
from invarlock.guards.predictive_gate import GateReason, decide_gate, weigh_interval
from invarlock.measure.branch_records import VirtualScales
from invarlock.measure.records import WindowLoss
from invarlock.policy.variance import VariancePolicy
from invarlock.stats.paired_interval import paired_interval

SCALES = VirtualScales(factors={"h.0": 1.02})
GAIN = [-0.020, -0.024, -0.018, -0.022, -0.021, -0.019]


def losses(deltas, tokens=100):
    return [
        WindowLoss(window_id=f"w{i}", nll=(3.0 + delta) * (tokens + i), tokens=tokens + i)
        for i, delta in enumerate(deltas)
    ]


def decide(deltas, *, scales=SCALES, asked=None, **policy):
    asked = len(deltas) if asked is None else asked
    edited = losses([0.0] * len(deltas))
    return decide_gate(scales, edited, losses(deltas), asked=asked, policy=VariancePolicy(**policy))


@pytest.mark.parametrize(
    ("mean", "interval", "min_effect", "reason"),
    [
        (-0.002, (-0.003, -0.001), 0.0, "ci_gain_met"),  # seed 003, balanced
        (-0.020, (-0.030, -0.017), 0.016, "ci_gain_met"),  # seed 003, conservative
        (-0.008, (-0.015, -0.002), 0.016, "gain_below_threshold"),  # seed 003, inside the interval
        (-0.020, (-0.030, -0.016), 0.016, "ci_gain_met"),  # an end at the threshold meets it
        (-0.020, (-0.030, -0.0159), 0.016, "gain_below_threshold"),
        (-0.016, (-0.030, -0.016), 0.016, "ci_gain_met"),
        (-0.015, (-0.030, -0.016), 0.016, "gain_below_threshold"),  # a skewed interval: the mean misses
        (-0.002, (-0.004, 0.0), 0.0, "ci_contains_zero"),  # touching 0 is containing it
        (0.002, (0.0, 0.004), 0.0, "ci_contains_zero"),
        (0.02, (-0.001, 0.05), 0.016, "ci_contains_zero"),
        (0.02, (0.017, 0.05), 0.016, "regression_detected"),
        (0.002, (0.001, 0.004), 0.0, "regression_detected"),
        (0.02, (0.016, 0.05), 0.016, "mean_not_negative"),  # not entirely above the threshold
        (0.0, (-0.03, -0.02), 0.0, "mean_not_negative"),
        (-0.02, (-0.02, -0.02), 0.0, "ci_unavailable"),  # no width: nothing says how far the mean can be off
        (0.0, (0.0, 0.0), 0.0, "ci_unavailable"),
    ],
)
def test_what_an_interval_says(mean, interval, min_effect, reason):
    assert weigh_interval(mean, interval, min_effect=min_effect) == reason


@pytest.mark.parametrize(
    ("windows", "asked", "scales", "gate_on", "reason"),
    [
        (0, 8, None, False, "disabled"),
        (0, 8, None, True, "no_calibration"),
        (0, 0, SCALES, True, "no_calibration"),
        (5, 6, None, True, "insufficient_coverage"),
        (1, 2, SCALES, True, "insufficient_coverage"),
        (1, 1, None, True, "no_scales"),
        (6, 6, None, True, "no_scales"),
        (1, 1, SCALES, True, "ci_unavailable"),
    ],
)
def test_what_stops_before_an_interval_in_its_order(windows, asked, scales, gate_on, reason):
    gate = decide(GAIN[:windows], scales=scales, asked=asked, predictive_gate=gate_on)
    assert gate.reason == reason
    assert (gate.evaluated, gate.passed, gate.windows) == (False, False, windows)
    assert gate.delta_ci is gate.gain_ci is gate.mean_delta is gate.ci_method is gate.deviation is None


def test_the_reasons_are_those_of_the_page_in_its_order():
    assert [reason.value for reason in GateReason] == [
        "disabled",
        "no_calibration",
        "insufficient_coverage",
        "no_scales",
        "ci_unavailable",
        "ci_contains_zero",
        "regression_detected",
        "mean_not_negative",
        "gain_below_threshold",
        "ci_gain_met",
    ]


@pytest.mark.parametrize("one_sided", [True, False])
def test_numbers_are_of_b_less_a_with_the_tiers_sidedness(one_sided):
    gate = decide(GAIN, predictive_one_sided=one_sided, min_effect_lognll=0.016)
    expected = paired_interval(GAIN, [100 + i for i in range(6)], one_sided=one_sided)
    assert gate.passed
    assert gate.mean_delta == pytest.approx(np.average(GAIN, weights=range(100, 106)))
    assert gate.delta_ci == pytest.approx((expected.lower, expected.upper))
    assert gate.gain_ci == (-gate.delta_ci[1], -gate.delta_ci[0])
    assert (gate.deviation, gate.ci_method) == (pytest.approx(expected.deviation), expected.method)
    assert (gate.one_sided, gate.min_effect_lognll, gate.windows) == (one_sided, 0.016, 6)


def test_two_sided_asks_for_more():
    weak = [-0.03, 0.007, -0.02, -0.03, 0.005, -0.02]
    assert decide(weak, predictive_one_sided=True).passed
    assert decide(weak, predictive_one_sided=False).reason is GateReason.CI_CONTAINS_ZERO


@pytest.mark.parametrize(
    ("sign", "min_effect", "reason"),
    [
        (-1, 0.0, "ci_gain_met"),
        (-1, 0.05, "gain_below_threshold"),
        (1, 0.0, "regression_detected"),
        (1, 0.05, "mean_not_negative"),
    ],
)
def test_from_losses_to_reason(sign, min_effect, reason):
    gate = decide([sign * abs(delta) for delta in GAIN], min_effect_lognll=min_effect)
    assert gate.reason == reason
    assert gate.evaluated
    assert gate.passed == (reason == "ci_gain_met")


@pytest.mark.parametrize(
    "deltas",
    [
        [-0.25, -0.25],  # two windows that agree by chance
        [-0.25] * 6,
        [0.0] * 6,  # scales that change nothing
    ],
)
def test_windows_that_all_moved_alike_prove_nothing(deltas):
    gate = decide(deltas)
    assert (gate.reason, gate.evaluated, gate.passed) == (GateReason.CI_UNAVAILABLE, False, False)
    assert gate.delta_ci is gate.gain_ci is gate.mean_delta is gate.ci_method is gate.deviation is None


def test_one_window_six_times_is_an_error():
    arms = [losses(deltas)[:1] * 6 for deltas in ([0.0], [-0.02])]
    with pytest.raises(DataError, match="on a window more than once") as caught:
        decide_gate(SCALES, *arms, asked=6, policy=VariancePolicy())
    assert caught.value.where == "windows w0"


def test_arms_on_other_windows_are_an_error():
    with pytest.raises(DataError, match="not evaluated on the same windows") as caught:
        decide_gate(SCALES, losses(GAIN), losses(GAIN[:-1]), asked=6, policy=VariancePolicy())
    assert caught.value.where == "windows w5"
    with pytest.raises(DataError, match="not evaluated on the same windows"):
        decide_gate(SCALES, losses(GAIN), [], asked=6, policy=VariancePolicy())


def test_more_windows_than_asked_are_an_error():
    with pytest.raises(DataError, match="6 calibration windows for a gate of 4"):
        decide(GAIN, asked=4)


@pytest.mark.parametrize(("arm", "name"), [(0, r"A \(edited\)"), (1, r"B \(virtual scales\)")])
def test_a_loss_that_is_not_finite_is_an_error_with_arm_and_window(arm, name):
    arms = [losses(GAIN), losses(GAIN)]
    arms[arm][3] = WindowLoss.model_construct(window_id="w3", nll=float("nan"), tokens=103)
    with pytest.raises(MeasurementError, match=f"a loss of {name} is not finite") as caught:
        decide_gate(SCALES, *arms, asked=6, policy=VariancePolicy())
    assert caught.value.where == "windows w3"


FINITE = st.floats(-1.0, 1.0)


@given(FINITE, st.tuples(FINITE, FINITE).map(sorted), st.floats(0.0, 0.5))
def test_met_is_exactly_the_three_conditions(mean, interval, min_effect):
    lower, upper = interval
    met = weigh_interval(mean, (lower, upper), min_effect=min_effect) is GateReason.CI_GAIN_MET
    conditions = upper <= -min_effect and mean <= -min_effect and not lower <= 0.0 <= upper
    assert met == (conditions and mean < 0.0 and lower < upper)


@given(st.lists(FINITE, min_size=2, max_size=9), st.booleans(), st.floats(0.0, 0.1))
def test_enabled_implies_all_three_conditions(deltas, one_sided, min_effect):
    gate = decide(deltas, predictive_one_sided=one_sided, min_effect_lognll=min_effect)
    assert gate.evaluated == (gate.reason is not GateReason.CI_UNAVAILABLE)
    if gate.passed:
        lower, upper = gate.delta_ci
        assert lower < upper
        assert upper <= -min_effect
        assert gate.mean_delta <= -min_effect
        assert not lower <= 0.0 <= upper


def test_scales_that_do_nothing_are_enabled_no_more_often_than_promised():
    rng = np.random.default_rng(11)
    deltas = 0.01 * rng.standard_normal((1200, 8))
    for one_sided, nominal in ((True, 0.05), (False, 0.025)):
        rate = np.mean([decide(list(row), predictive_one_sided=one_sided).passed for row in deltas])
        assert rate <= nominal + 3 * (nominal * (1 - nominal) / len(deltas)) ** 0.5
        assert rate > 0.0
