import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from invarlock.errors import MeasurementError
from invarlock.guards.pairing import ModulePair
from invarlock.guards.spectral_z import family_statistics, quantiles, summarize, z_score
from tests.guards.measured_matrices import measure


def pair_of(base: float, subject: float) -> ModulePair:
    return ModulePair(
        baseline=measure("ffn.0", np.diag([base, base / 2])),
        subject=measure("ffn.0", np.diag([subject, subject / 2])),
    )


@given(st.lists(st.integers(100, 100_000), min_size=2, max_size=40, unique=True))
def test_a_no_op_gives_the_familys_own_standard_scores(thousandths):
    sigmas = [value / 1000 for value in thousandths]
    family = family_statistics(sigmas)
    z = [z_score(pair_of(sigma, sigma), family, deadband=0.1) for sigma in sigmas]
    np.testing.assert_allclose(z, stats.zscore(sigmas, ddof=0), rtol=1e-6, atol=1e-9)
    # The arithmetic limit of the null: no |z| above sqrt(n - 1).
    assert max(map(abs, z)) <= (len(sigmas) - 1) ** 0.5 * (1 + 1e-9)


def test_two_modules_score_exactly_one():
    family = family_statistics([2.0, 5.0])
    assert [z_score(pair_of(s, s), family, deadband=0.1) for s in (2.0, 5.0)] == pytest.approx([-1.0, 1.0])


@pytest.mark.parametrize(
    ("growth", "z"), [(0.0, 0.0), (0.05, 0.0), (-0.05, 0.0), (0.2, 2.0), (-0.3, -3.0), (0.101, 1.01)]
)
def test_a_family_without_spread_is_scored_by_growth_in_deadbands(growth, z):
    family = family_statistics([0.1] * 3)
    assert family.std == 0.0
    assert z_score(pair_of(0.1, 0.1 * (1 + growth)), family, deadband=0.1) == pytest.approx(z, rel=1e-9)


def test_a_spread_of_rounding_is_no_spread():
    assert family_statistics([0.1, 0.10000000000000002]).std == 0.0
    assert family_statistics([0.1, 0.1000001]).std > 0.0


def test_a_zero_baseline_has_no_growth():
    family = family_statistics([0.0, 0.0])
    assert z_score(pair_of(0.0, 0.0), family, deadband=0.1) == 0.0
    with pytest.raises(MeasurementError, match=r"ffn\.0"):
        z_score(pair_of(0.0, 1.0), family, deadband=0.1)


def test_summary_is_signed_and_quantiles_are_of_magnitudes():
    z = [-3.0, 0.5, 1.0]
    summary = summarize(z, kappa=1.0)
    assert (summary.max, summary.count, summary.violations) == (1.0, 3, 1)
    assert summary.mean == pytest.approx(-0.5)
    q = quantiles(z)
    assert q.max == 3.0
    assert [q.q95, q.q99] == pytest.approx(np.percentile(np.abs(z), [95, 99]).tolist())
