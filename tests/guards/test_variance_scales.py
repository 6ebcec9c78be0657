import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invarlock.errors import DataError, MeasurementError, PolicyError
from invarlock.families import Family
from invarlock.guards.variance_scales import Dropped, matching_taps, propose_scales
from invarlock.measure.branch_records import VirtualScales
from invarlock.policy.built_in import BUILT_IN
from invarlock.policy.schema import Tier
from invarlock.policy.variance import Clamp, VariancePolicy, VarianceTarget
from tests.guards.variance_arms import moments, propose, tap

# Nothing is dropped or limited: one knob at a time is turned from here.
OPEN = {
    "deadband": 0.0,
    "min_abs_adjust": 0.0,
    "max_scale_step": 1.0,
    "topk_backstop": 0,
    "max_adjusted_modules": 0,
    "clamp": Clamp(min=0.5, max=2.0),
}


def factors(alphas, **changes):
    scales = propose(alphas, **(OPEN | changes)).scales
    found = {} if scales is None else scales.factors
    return {block: found[tap(block).module] for block in alphas if tap(block).module in found}


def dropped(alphas, **changes):
    return {each.tap.block: each.dropped for each in propose(alphas, **(OPEN | changes)).taps}


def test_a_factor_brings_the_branch_back_to_its_baseline():
    base, edited = moments({tap(0): 0.9, tap(1): 4.0}), moments({tap(0): 1.1, tap(1): 3.6})
    proposal = propose_scales(base, edited, [tap(0), tap(1)], VariancePolicy(**OPEN))
    for each in proposal.taps:
        assert each.factor**2 * each.edited == pytest.approx(each.target)
    assert [each.alpha for each in proposal.taps] == pytest.approx([math.sqrt(0.9 / 1.1), math.sqrt(4 / 3.6)])
    assert proposal.windows == tuple(f"w{i}" for i in range(8))
    assert isinstance(proposal.scales, VirtualScales)


def test_unit_aims_at_1_whatever_the_baseline():
    base, edited = moments({tap(0): 0.04}), moments({tap(0): 0.81})
    [each] = propose_scales(base, edited, [tap(0)], VariancePolicy(**OPEN, target=VarianceTarget.UNIT)).taps
    assert (each.target, each.factor) == (1.0, pytest.approx(1 / 0.9))


def test_clamp():
    assert factors({0: 0.7, 1: 1.4, 2: 1.1}, clamp=Clamp(min=0.85, max=1.12)) == pytest.approx(
        {0: 0.85, 1: 1.12, 2: 1.1}
    )


def test_deadband_and_floor_each_drop_what_is_below_and_say_so():
    alphas = {0: 0.96, 1: 1.011, 2: 1.03}
    assert dropped(alphas, deadband=0.02) == {0: None, 1: Dropped.DEADBAND, 2: None}
    assert dropped(alphas, min_abs_adjust=0.035) == {
        0: None,
        1: Dropped.MIN_ABS_ADJUST,
        2: Dropped.MIN_ABS_ADJUST,
    }
    assert dropped(alphas, deadband=0.02, min_abs_adjust=0.035)[1] is Dropped.DEADBAND
    assert factors({0: 0.75}, deadband=0.25) == {0: 0.75}  # at the deadband is kept
    assert factors({0: 0.75}, min_abs_adjust=0.25) == {0: 0.75}


@pytest.mark.parametrize("size", [0.012, 0.02, 0.03, 0.1])
def test_at_a_threshold_both_sides_of_1_behave_alike(size):
    """1.1 - 1 is more than 0.1 in floats, and 1 - 0.9 less: the difference would drop one and keep the other."""
    alphas = {0: 1.0 - size, 1: 1.0 + size}
    assert factors(alphas, deadband=size) == alphas
    assert factors(alphas, min_abs_adjust=size) == alphas
    assert factors(alphas, deadband=2 * size, topk_backstop=2) == {}
    inside = {0: math.nextafter(1.0 - size, 1.0), 1: math.nextafter(1.0 + size, 1.0)}
    assert factors(inside, deadband=size) == {}
    outside = {0: math.nextafter(1.0 - size, 0.0), 1: math.nextafter(1.0 + size, 2.0)}
    assert factors(outside, deadband=2 * size, topk_backstop=2) == outside


def test_step_limits_what_is_kept_and_not_what_is_compared():
    # The conservative tier: a step below both thresholds must not make every scale vanish.
    assert factors({0: 0.9, 1: 1.08, 2: 1.01}, deadband=0.03, min_abs_adjust=0.02, max_scale_step=0.015) == {
        0: 0.985,
        1: 1.015,
    }


def test_a_factor_of_1_is_none():
    assert dropped({0: 1.0, 1: 1.1}) == {0: Dropped.ZERO_STEP, 1: None}
    assert dropped({0: 0.9, 1: 1.1}, max_scale_step=0.0, topk_backstop=2) == dict.fromkeys(
        (0, 1), Dropped.ZERO_STEP
    )


def test_backstop_takes_the_largest_above_half_the_thresholds():
    alphas = {0: 1.012, 1: 0.985, 2: 1.014}
    knobs = {"deadband": 0.02, "min_abs_adjust": 0.012, "max_scale_step": 0.003}
    assert factors(alphas, **knobs) == {}
    assert factors(alphas, **knobs, topk_backstop=1) == {1: 0.997}
    assert factors(alphas, **knobs, topk_backstop=2) == {1: 0.997, 2: 1.003}
    assert factors({0: 1.25}, deadband=0.5, topk_backstop=1) == {}  # at the half is not above it
    assert factors({0: 1.25}, deadband=0.25, min_abs_adjust=0.5, topk_backstop=1) == {}
    proposal = propose(alphas, **(OPEN | knobs | {"topk_backstop": 1}))
    assert [each.backstop for each in proposal.taps] == [False, True, False]
    assert [each.dropped for each in proposal.taps] == [Dropped.DEADBAND, None, Dropped.DEADBAND]


def test_backstop_stays_out_when_a_scale_is_left():
    assert factors({0: 1.05, 1: 1.015}, deadband=0.02, topk_backstop=2).keys() == {0}


def test_only_the_largest_stay_measured_before_the_step_limit():
    alphas = {0: 1.05, 1: 0.9, 2: 1.08}
    assert factors(alphas, max_scale_step=0.03, max_adjusted_modules=2) == {1: 0.97, 2: 1.03}
    assert dropped(alphas, max_adjusted_modules=1) == {
        0: Dropped.NOT_AMONG_LARGEST,
        1: None,
        2: Dropped.NOT_AMONG_LARGEST,
    }
    assert factors(alphas, max_adjusted_modules=0).keys() == {0, 1, 2}


def test_ties_are_broken_by_name_whatever_the_order():
    assert factors({2: 0.5, 1: 0.5, 0: 1.1}, max_adjusted_modules=1) == {1: 0.5}


def test_the_backstop_obeys_the_limit_on_modules():
    assert factors({0: 1.015, 1: 1.018}, deadband=0.02, topk_backstop=2, max_adjusted_modules=1).keys() == {1}


def test_an_unedited_model_gets_no_scale_from_any_tier():
    for tier in Tier:
        policy = BUILT_IN[tier].variance
        arms = moments({tap(0): 0.37, tap(1): 12.0})
        proposal = propose_scales(arms, arms, [tap(0), tap(1)], policy)
        assert proposal.scales is None
        assert {each.dropped for each in proposal.taps} == {Dropped.DEADBAND}


@given(st.dictionaries(st.integers(0, 11), st.floats(0.1, 10.0), min_size=1), st.sampled_from(Tier))
def test_every_tier_keeps_its_limits(alphas, tier):
    policy = BUILT_IN[tier].variance
    proposal = propose(alphas, **dict(policy))
    found = [each for each in proposal.taps if each.factor is not None]
    assert all((each.factor is None) == (each.dropped is not None) for each in proposal.taps)
    for each in found:
        assert 0.0 < abs(each.factor - 1.0) <= policy.max_scale_step + 1e-12
        assert (each.factor > 1.0) == (each.alpha > 1.0)
        least = max(policy.deadband, policy.min_abs_adjust)
        assert each.backstop or not 1.0 - least < each.clamped < 1.0 + least
    assert not policy.max_adjusted_modules or len(found) <= policy.max_adjusted_modules
    if not policy.topk_backstop:
        assert not any(each.backstop for each in found)


def test_patterns_fit_the_models_names_or_gpt2s():
    taps = [tap(0), tap(1), tap(0, Family.ATTN)]
    assert matching_taps(taps, ["transformer.h.*.mlp.c_proj"]) == (tap(0), tap(1))
    assert matching_taps(taps, ["*.self_attn.o_proj", "model.layers.1.*"]) == (tap(1), tap(0, Family.ATTN))


def test_only_the_policys_taps_are_considered():
    taps = [tap(0), tap(0, Family.ATTN)]
    arms = moments(dict.fromkeys(taps, 1.0))
    proposal = propose_scales(arms, arms, taps, VariancePolicy())
    assert [each.tap for each in proposal.taps] == [tap(0)]


def test_patterns_that_fit_nothing_are_an_error_that_shows_both():
    with pytest.raises(PolicyError) as caught:
        matching_taps([tap(0)], ["Transformer.h.*.mlp.c_proj", "decoder.*"])
    assert caught.value.where == "variance_guard.tap"
    for part in ("Transformer.h.*.mlp.c_proj, decoder.*", "1 taps", "model.layers.0.mlp.down_proj"):
        assert part in caught.value.what


def test_arms_must_have_the_same_windows_in_the_same_order():
    arms = moments({tap(0): 1.0}, windows=3)
    with pytest.raises(DataError, match="the baseline and the edited model") as caught:
        propose_scales(arms, arms[::-1], [tap(0)], VariancePolicy())
    assert caught.value.where == "windows w0, w2"


def test_no_windows_are_an_error():
    with pytest.raises(DataError, match="no windows"):
        propose_scales([], [], [tap(0)], VariancePolicy())


@pytest.mark.parametrize(("base", "edited", "arm"), [(1.0, 0.0, "edited model"), (0.0, 1.0, "baseline")])
def test_a_branch_that_is_silent_in_either_arm_is_an_error(base, edited, arm):
    with pytest.raises(MeasurementError, match=f"the branch of the {arm} puts out 0"):
        propose_scales(moments({tap(0): base}), moments({tap(0): edited}), [tap(0)], VariancePolicy())
