import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from invarlock.gates.primary_metric import Finding, judge_accuracy, judge_ratio
from invarlock.gates.support import GateStatus
from invarlock.metrics.accuracy import AccuracyMetric
from invarlock.metrics.paired_ratio import PairedRatio
from invarlock.policy.built_in import BUILT_IN
from invarlock.policy.metrics import AccuracyGate, RatioGate
from invarlock.policy.schema import Tier
from invarlock.stats.bca import BcaInterval

BALANCED, CONSERVATIVE = (BUILT_IN[tier].metrics for tier in (Tier.BALANCED, Tier.CONSERVATIVE))
ENOUGH = {"tokens": 60_000, "available": 600_000}


def interval_of(mean, lower, upper):
    return BcaInterval(
        mean=mean,
        lower=lower,
        upper=upper,
        alpha=0.05,
        bias=0.0,
        acceleration=0.0,
        n=240,
        replicates=1200,
        seed=0,
    )


def ratio_of(ratio, upper):
    lower = min(ratio, upper) * 0.99
    return PairedRatio(
        ratio_vs_baseline=ratio,
        display_ci=(lower, upper),
        interval=interval_of(math.log(ratio), math.log(lower), math.log(upper)),
        tokens=30_000,
    )


def accuracy_of(delta_pp, examples=240):
    return AccuracyMetric(
        preview=0.5,
        final=0.5,
        baseline_final=0.5 - delta_pp / 100,
        delta_pp=delta_pp,
        display_ci=(delta_pp - 1, delta_pp + 1),
        interval=interval_of(delta_pp / 100, delta_pp / 100 - 0.01, delta_pp / 100 + 0.01),
        examples=examples,
        tokens=30_000,
    )


@pytest.mark.parametrize(
    ("gate", "ratio", "upper", "finding"),
    [
        (BALANCED, 1.00, 1.00, Finding.WITHIN_LIMIT),  # seed 002: <= 1.10 balanced, <= 1.05 conservative
        (BALANCED, 1.09, 1.10, Finding.WITHIN_LIMIT),
        (BALANCED, 1.10, 1.102, Finding.WITHIN_HYSTERESIS),
        (BALANCED, 1.09, 1.1021, Finding.CI_ABOVE_LIMIT),
        (BALANCED, 1.1021, 1.11, Finding.RATIO_ABOVE_LIMIT),
        (CONSERVATIVE, 1.05, 1.05, Finding.WITHIN_LIMIT),
        (CONSERVATIVE, 1.0501, 1.052, Finding.WITHIN_HYSTERESIS),
        (CONSERVATIVE, 1.04, 1.06, Finding.CI_ABOVE_LIMIT),
        (CONSERVATIVE, 1.09, 1.10, Finding.RATIO_ABOVE_LIMIT),
    ],
)
def test_ratio_and_upper_end_against_the_limit(gate, ratio, upper, finding):
    flag = judge_ratio(ratio_of(ratio, upper), policy=gate.pm_ratio, **ENOUGH)
    assert (flag.finding, flag.status) == (finding, GateStatus.ENFORCED)
    assert flag.acceptable is (finding in (Finding.WITHIN_LIMIT, Finding.WITHIN_HYSTERESIS))
    assert flag.hysteresis_applied is (finding is Finding.WITHIN_HYSTERESIS)
    assert flag.limit == gate.pm_ratio.ratio_limit_base + 0.002
    assert (flag.ratio_vs_baseline, flag.display_ci[1], flag.policy) == (ratio, upper, gate.pm_ratio)


@pytest.mark.parametrize("upper", [1.0, 1.101, 1.5])
def test_too_few_tokens_show_the_finding_and_enforce_nothing(upper):
    flag = judge_ratio(ratio_of(1.0, upper), tokens=49_999, available=60_000, policy=BALANCED.pm_ratio)
    assert flag.acceptable
    assert (flag.status, flag.hysteresis_applied) == (GateStatus.UNDERPOWERED, False)
    assert flag.finding.good is (upper <= 1.102)


@pytest.mark.parametrize(
    ("gate", "delta", "finding"),
    [
        (BALANCED, -1.0, Finding.WITHIN_LIMIT),
        (BALANCED, -1.1, Finding.WITHIN_HYSTERESIS),
        (BALANCED, -1.11, Finding.DELTA_BELOW_LIMIT),
        (CONSERVATIVE, -0.5, Finding.WITHIN_LIMIT),
        (CONSERVATIVE, -0.6, Finding.WITHIN_HYSTERESIS),
        (CONSERVATIVE, -0.61, Finding.DELTA_BELOW_LIMIT),
        (CONSERVATIVE, 3.0, Finding.WITHIN_LIMIT),
    ],
)
def test_accuracy_against_the_limit(gate, delta, finding):
    flag = judge_accuracy(accuracy_of(delta), available=2000, policy=gate.accuracy)
    assert (flag.finding, flag.status, flag.delta_pp) == (finding, GateStatus.ENFORCED, delta)
    assert flag.acceptable is (finding is not Finding.DELTA_BELOW_LIMIT)
    assert flag.hysteresis_applied is (finding is Finding.WITHIN_HYSTERESIS)
    assert flag.limit == pytest.approx(gate.accuracy.delta_min_pp - 0.1)


@pytest.mark.parametrize(("examples", "available"), [(199, 2000), (240, 24_001)])
def test_too_few_examples_enforce_nothing(examples, available):
    flag = judge_accuracy(accuracy_of(-9.0, examples), available=available, policy=BALANCED.accuracy)
    assert (flag.acceptable, flag.status) == (True, GateStatus.UNDERPOWERED)
    assert flag.finding is Finding.DELTA_BELOW_LIMIT


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_numbers_that_are_not_finite_make_no_flag(value):
    with pytest.raises(ValidationError, match="finite"):
        judge_ratio(ratio_of(1.0, value), policy=BALANCED.pm_ratio, **ENOUGH)
    with pytest.raises(ValidationError, match="finite"):
        judge_accuracy(accuracy_of(-value), available=2000, policy=BALANCED.accuracy)


near = st.floats(0.9, 1.3)
ratio_gates = st.builds(
    RatioGate,
    ratio_limit_base=st.floats(1.0, 1.3),
    hysteresis_ratio=st.floats(0.0, 0.05),
    min_tokens=st.integers(0, 120_000),
    min_token_fraction=st.floats(0.0, 1.0),
)


pairs = st.tuples(near, near).map(sorted)


@given(pairs, pairs, ratio_gates)
def test_a_worse_subject_never_turns_the_ratio_flag_true(ratios, uppers, policy):
    (ratio, more), (upper, wider) = ratios, uppers
    better = judge_ratio(ratio_of(ratio, upper), policy=policy, **ENOUGH)
    worse = judge_ratio(ratio_of(more, wider), policy=policy, **ENOUGH)
    assert better.acceptable or not worse.acceptable


@given(near, near, ratio_gates, ratio_gates)
def test_a_stricter_policy_never_turns_the_ratio_flag_true(ratio, upper, one, other):
    # Strictest of both in every key; more evidence asked for is looser, for it enforces less.
    strict = RatioGate(**{key: min(getattr(one, key), getattr(other, key)) for key in type(one).model_fields})
    for loose in (one, other):
        before = judge_ratio(ratio_of(ratio, upper), policy=loose, **ENOUGH)
        after = judge_ratio(ratio_of(ratio, upper), policy=strict, **ENOUGH)
        assert before.acceptable or not after.acceptable


accuracy_gates = st.builds(
    AccuracyGate,
    delta_min_pp=st.floats(-5.0, 1.0),
    hysteresis_delta_pp=st.floats(0.0, 1.0),
    min_examples=st.integers(0, 400),
    min_examples_fraction=st.floats(0.0, 1.0),
)
points = st.floats(-6.0, 6.0)


@given(points, points, accuracy_gates)
def test_a_worse_subject_never_turns_the_accuracy_flag_true(one, other, policy):
    worse, better = (
        judge_accuracy(accuracy_of(delta), available=400, policy=policy) for delta in sorted((one, other))
    )
    assert better.acceptable or not worse.acceptable


@given(points, accuracy_gates, st.floats(0.0, 2.0))
def test_a_higher_limit_or_less_slack_never_turns_the_accuracy_flag_true(delta, policy, by):
    before = judge_accuracy(accuracy_of(delta), available=400, policy=policy)
    for stricter in (
        {"delta_min_pp": policy.delta_min_pp + by},
        {"hysteresis_delta_pp": max(0.0, policy.hysteresis_delta_pp - by)},
        {"min_examples": 0},
    ):
        changed = policy.model_copy(update=stricter)
        after = judge_accuracy(accuracy_of(delta), available=400, policy=changed)
        assert before.acceptable or not after.acceptable
