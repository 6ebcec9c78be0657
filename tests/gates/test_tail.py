import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invarlock.errors import DataError
from invarlock.gates.support import GateStatus
from invarlock.gates.tail import judge_tail
from invarlock.guards.report import Severity
from invarlock.policy.built_in import BUILT_IN
from invarlock.policy.metrics import TailGate, TailMode
from invarlock.policy.schema import Tier

FAIL = TailGate(mode=TailMode.FAIL)


def test_statistics_are_numpys():
    deltas = np.random.default_rng(0).standard_t(3, 77) * 0.1
    stats = judge_tail(deltas.tolist(), TailGate(quantile=0.9, epsilon=0.05)).stats
    assert stats.quantile_value == pytest.approx(np.percentile(deltas, 90, method="linear"))
    assert stats.tail_mass == np.mean(deltas > 0.05)
    assert (stats.windows, stats.largest) == (77, deltas.max())


def test_the_quantile_by_hand():
    # 51 windows of 0 .. 0.50: the 0.95 quantile lies at place 47.5.
    flag = judge_tail([i / 100 for i in range(51)], FAIL)
    assert flag.stats.quantile_value == pytest.approx(0.475)
    assert (flag.acceptable, flag.evaluated, flag.status) == (False, True, GateStatus.ENFORCED)
    (violation,) = flag.violations
    assert (violation.type, violation.severity, violation.limit) == ("tail_quantile", Severity.FATAL, 0.20)
    assert violation.message == "the 0.95 quantile of delta log NLL is 0.475; at most 0.2"


@pytest.mark.parametrize(("tier", "limit"), [(Tier.BALANCED, 0.20), (Tier.CONSERVATIVE, 0.12)])
def test_shipped_tiers_record_a_violation_and_stay_true(tier, limit):
    policy = BUILT_IN[tier].metrics.pm_tail  # seed 002: warn is the default
    assert judge_tail([limit] * 60, policy).violations == ()
    flag = judge_tail([limit + 0.001] * 60, policy)
    assert (flag.acceptable, flag.evaluated, flag.status) == (True, True, GateStatus.RECORDED)
    assert [(v.severity, v.limit) for v in flag.violations] == [(Severity.WARNING, limit)]


def test_the_mass_counts_windows_strictly_above_epsilon():
    policy = TailGate(mode=TailMode.FAIL, epsilon=0.01, mass_max=0.5)
    at, above = [0.01] * 50, [0.02] * 50
    assert judge_tail(at + above, policy).acceptable
    flag = judge_tail([*at, *above, 0.02], policy)
    assert [v.type for v in flag.violations] == ["tail_mass"]
    assert flag.stats.tail_mass == flag.violations[0].value == 51 / 101


def test_a_mass_limit_of_one_does_not_bind():
    assert judge_tail([0.1] * 60, FAIL).acceptable


@pytest.mark.parametrize(
    ("windows", "mode", "status"),
    [
        (49, TailMode.FAIL, GateStatus.UNDERPOWERED),
        (49, TailMode.WARN, GateStatus.UNDERPOWERED),
        (60, TailMode.OFF, GateStatus.OFF),
    ],
)
def test_too_few_windows_or_off_evaluate_nothing(windows, mode, status):
    flag = judge_tail([9.0] * windows, TailGate(mode=mode))
    assert (flag.acceptable, flag.evaluated, flag.status) == (True, False, status)
    assert flag.violations == ()
    assert flag.stats.quantile_value == 9.0


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_difference_that_is_not_finite_is_refused(value):
    with pytest.raises(DataError, match=r"not finite at positions \[60\] of 61"):
        judge_tail([0.0] * 60 + [value], FAIL)


def test_no_windows_have_no_tail():
    with pytest.raises(DataError, match="no final windows"):
        judge_tail([], FAIL)


policies = st.builds(
    TailGate,
    mode=st.sampled_from(TailMode),
    min_windows=st.integers(1, 12),
    quantile=st.floats(0.01, 0.99),
    quantile_max=st.floats(0.0, 0.5),
    epsilon=st.floats(0.0, 0.5),
    mass_max=st.floats(0.0, 1.0),
)
deltas = st.lists(st.floats(-1.0, 1.0), min_size=1, max_size=12)


@given(deltas, st.lists(st.floats(0.0, 1.0), min_size=12, max_size=12), policies)
def test_windows_that_get_worse_never_turn_the_flag_true(before, harm, policy):
    after = [delta + more for delta, more in zip(before, harm, strict=False)]
    assert judge_tail(before, policy).acceptable or not judge_tail(after, policy).acceptable


@given(deltas, policies, st.floats(0.0, 0.5))
def test_a_stricter_policy_never_turns_the_flag_true(values, policy, by):
    before = judge_tail(values, policy)
    for stricter in (
        {"mode": TailMode.FAIL},
        {"min_windows": 1},
        {"quantile": min(0.99, policy.quantile + by)},
        {"quantile_max": max(0.0, policy.quantile_max - by)},
        {"epsilon": max(0.0, policy.epsilon - by)},
        {"mass_max": max(0.0, policy.mass_max - by)},
    ):
        after = judge_tail(values, policy.model_copy(update=stricter))
        assert before.acceptable or not after.acceptable
