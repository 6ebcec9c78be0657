import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from invarlock.stats.multiple_testing import select
from invarlock.stats.tails import two_sided_p

p_lists = st.lists(st.floats(0, 1), min_size=1, max_size=8)
alphas = st.sampled_from([0.001, 0.01, 0.05, 0.2])


@given(p_lists, st.integers(1, 12), alphas)
def test_bh_is_scipys_adjustment_with_the_untested_at_one(values, m, alpha):
    padded = values + [1.0] * max(0, m - len(values))
    adjusted = stats.false_discovery_control(padded)[: len(values)]
    # Where rounding decides, the two may differ; compare away from the threshold.
    clear = [i for i, a in enumerate(adjusted) if abs(a - alpha) > 1e-12]
    selected = select(dict(enumerate(values)), method="bh", alpha=alpha, m=m)
    assert [i in selected for i in clear] == [bool(adjusted[i] <= alpha) for i in clear]


@given(p_lists, st.integers(1, 12), alphas)
def test_bonferroni_selects_a_subset_of_bh(values, m, alpha):
    named = dict(enumerate(values))
    bonferroni = select(named, method="bonferroni", alpha=alpha, m=m)
    assert bonferroni == {i for i, p in named.items() if p <= alpha / max(m, len(values))}
    assert bonferroni <= select(named, method="bh", alpha=alpha, m=m)


def test_a_p_value_on_the_threshold_is_selected():
    assert select({"ffn": 0.0125}, method="bonferroni", alpha=0.05, m=4) == {"ffn"}
    assert select({"ffn": 0.0125}, method="bh", alpha=0.05, m=4) == {"ffn"}
    assert select({"ffn": 0.0125}, method="bh", alpha=0.05, m=5) == frozenset()
    assert select({}, method="bh", alpha=0.05, m=4) == frozenset()


def test_bonferroni_holds_the_family_wise_rate_and_bh_the_false_discovery_rate():
    rng = np.random.default_rng(1)
    alpha, runs = 0.2, 4000
    any_false, false_shares = 0, []
    for _ in range(runs):
        null = rng.standard_normal(4)
        named = {i: two_sided_p(z) for i, z in enumerate(null)}
        any_false += bool(select(named, method="bonferroni", alpha=alpha, m=4))
        mixed = dict(named) | {i: two_sided_p(null[i] + 3.0) for i in (2, 3)}
        found = select(mixed, method="bh", alpha=alpha, m=4)
        false_shares.append(len(found & {0, 1}) / max(1, len(found)))
    # Independent uniform p-values: 1 - (1 - alpha/4)^4 exactly; FDR = (2 nulls of 4) alpha exactly.
    assert any_false / runs == pytest.approx(1 - (1 - alpha / 4) ** 4, abs=0.018)
    assert np.mean(false_shares) == pytest.approx(alpha / 2, abs=0.012)


@pytest.mark.parametrize(
    ("changed", "message"),
    [({"m": 0}, "m = 0"), ({"alpha": 1.5}, "alpha = 1.5"), ({"method": "holm"}, "holm")],
)
def test_bad_arguments_are_named(changed, message):
    with pytest.raises(ValueError, match=message):
        select({"ffn": 0.1}, **({"method": "bh", "alpha": 0.05, "m": 4} | changed))


def test_a_bad_p_value_is_named():
    with pytest.raises(ValueError, match="embed"):
        select({"embed": float("nan")}, method="bh", alpha=0.05, m=4)
