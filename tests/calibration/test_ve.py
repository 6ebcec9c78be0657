import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from invarlock.calibration.min_effect import target_rate_threshold
from invarlock.calibration.ve import summarize_ve_runs, summarize_ve_sweep_reports
from invarlock.calibration.ve_evidence import distinct_draws, fresh_run_exceeds
from invarlock.calibration.ve_records import MinEffectRule, VeSummary
from invarlock.calibration.ve_reports import read_ve_observation
from invarlock.errors import ConfigError, DataError
from tests.calibration.ve_runs import gain_report, ve_report

Z_ONE_SIDED, Z_TWO_SIDED = 1.6448536269514722, 1.959963984540054


def no_scales(**fields):
    return ve_report(None, reason="no_scales", **fields)


def without_guard(report):
    return report | {"guards": report["guards"][:1]}


def test_summary_by_hand():
    gains = [0.0001, 0.00025, 0.0004, 0.00003]
    reports = [gain_report(gain, reason="ci_gain_met", passed=True) for gain in gains]
    reports += [ve_report((-0.002, 0.001), reason="ci_contains_zero") for _ in range(5)]
    reports += [no_scales(), without_guard(no_scales())]
    summary = summarize_ve_sweep_reports(reports, tier="balanced", target_enable_rate=0.1)
    assert (summary["n_runs"], summary["n_missing"]) == (11, 1)
    assert summary["recommendations"]["min_effect_lognll"] == 0.000251
    assert summary["recommendations"]["rule"] == "target-rate"
    assert summary["recommendations"]["expected_enable_rate"] == 0.1
    exact = binomtest(1, 10).proportion_ci(0.95, method="exact")
    assert summary["recommendations"]["enable_rate_interval"] == pytest.approx([exact.low, exact.high])
    assert summary["observed"] == {
        "min_effect_lognll": 0.0,
        "enabled_runs": 4,
        "enable_rate": 0.4,
        "n_evaluated": 9,
        "reasons": {"ci_contains_zero": 0.5, "ci_gain_met": 0.4, "no_scales": 0.1},
        "gains": {
            "values": [0.0] * 6 + sorted(gains),
            "n_positive": 4,
            "min": 0.0,
            "median": 0.0,
            "max": 0.0004,
        },
    }
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary


@pytest.mark.parametrize(("passing", "runs"), [(0, 10), (1, 20), (4, 40), (10, 10)])
def test_interval_of_the_enable_rate_is_clopper_pearson(passing, runs):
    reports = [gain_report(0.001)] * passing + [no_scales()] * (runs - passing)
    summary = summarize_ve_sweep_reports(reports, tier="balanced", target_enable_rate=passing / runs)
    advice = summary["recommendations"]
    exact = binomtest(passing, runs).proportion_ci(0.95, method="exact")
    assert advice["min_effect_lognll"] == 0.0
    assert advice["expected_enable_rate"] == passing / runs
    assert advice["enable_rate_interval"] == pytest.approx([exact.low, exact.high])


def test_without_a_positive_gain_the_value_is_zero():
    reports = [ve_report((-0.002, 0.001)), ve_report((0.001, 0.002))]
    summary = summarize_ve_sweep_reports(reports, tier="balanced")
    assert summary["recommendations"]["min_effect_lognll"] == 0.0
    assert summary["recommendations"]["expected_enable_rate"] == 0.0
    unevaluated = summarize_ve_sweep_reports([no_scales()] * 80, tier="balanced")
    assert "No run has a confidence interval" in unevaluated["evidence"]["statement"]
    assert not unevaluated["evidence"]["target_shown"]


@given(
    st.lists(st.one_of(st.just(0.0), st.floats(1e-7, 1e-3)), min_size=1, max_size=40),
    st.one_of(st.just(0.0), st.floats(1e-18, 1)),
    st.floats(0, 1),
)
@settings(max_examples=60, deadline=None)
def test_the_expected_rate_is_within_the_target_and_is_the_share_that_the_gate_would_pass(
    gains, target, margin
):
    reports = [gain_report(gain) if gain else no_scales() for gain in gains]
    summary = summarize_ve_sweep_reports(
        reports, tier="balanced", target_enable_rate=target, safety_margin=margin
    )
    advice = summary["recommendations"]
    value = advice["min_effect_lognll"]
    cis = [report["guards"][1]["metrics"]["predictive_gate"]["delta_ci"] for report in reports]
    passing = sum(ci is not None and ci[1] < 0 and ci[1] <= -value for ci in cis)
    assert advice["expected_enable_rate"] == passing / len(gains) <= target
    low, high = advice["enable_rate_interval"]
    assert low <= passing / len(gains) <= high


def test_power_curve_by_hand():
    reports = [
        ve_report((-0.004, -0.002), windows=16, deviation=0.003),
        ve_report((-0.003, 0.001), windows=16, deviation=0.004),
        no_scales(windows=16),
        ve_report((-0.003, 0.003), windows=4, deviation=0.005),
        no_scales(windows=25),
    ]
    summary = summarize_ve_sweep_reports(reports, tier="balanced")
    sigma = math.sqrt((0.003**2 + 0.004**2) / 2)
    none = {"mean_ci_width": None, "sigma_hat": None, "half_width": None}
    four, sixteen, twenty_five = summary["power_curve"]
    assert four == pytest.approx(
        {
            "tier": "balanced",
            "windows": 4,
            "runs": 1,
            "mean_ci_width": 0.006,
            "sigma_hat": 0.005,
            "half_width": Z_ONE_SIDED * 0.005 / 2,
        }
    )
    assert sixteen == pytest.approx(
        {
            "tier": "balanced",
            "windows": 16,
            "runs": 2,
            "mean_ci_width": 0.003,
            "sigma_hat": sigma,
            "half_width": Z_ONE_SIDED * sigma / 4,
        }
    )
    assert twenty_five == {"tier": "balanced", "windows": 25, "runs": 0} | none
    assert summary["half_width_windows"] == 16
    by_formula = summary["by_rule"]["half-width"]
    assert by_formula["min_effect_lognll"] == math.ceil(Z_ONE_SIDED * sigma / 4 * 1e6) / 1e6
    assert summary["recommendations"] == summary["by_rule"]["target-rate"]


def test_half_width_rule():
    reports = [
        ve_report((-0.004, -0.0025), windows=16, deviation=0.004, one_sided=False, tier="conservative"),
        ve_report((-0.004, -0.001), windows=16, deviation=0.004, one_sided=False, tier="conservative"),
    ]
    options = {"tier": "conservative", "predictive_one_sided": False, "rule": MinEffectRule.HALF_WIDTH}
    summary = summarize_ve_sweep_reports(reports, **options)
    advice = summary["recommendations"]
    assert advice["min_effect_lognll"] == math.ceil(Z_TWO_SIDED * 1000) / 1e6
    assert (advice["rule"], advice["expected_enable_rate"]) == ("half-width", 0.5)
    assert summary["evidence"]["fresh_run_exceeds"] is None
    with_margin = summarize_ve_sweep_reports(reports, safety_margin=0.5, **options)["recommendations"]
    assert with_margin["min_effect_lognll"] == math.ceil(Z_TWO_SIDED * 1500) / 1e6
    assert with_margin["expected_enable_rate"] == 0.0


@pytest.mark.parametrize(
    ("report", "n_evaluated"),
    [
        (no_scales(), 0),
        (ve_report((-0.004, -0.002)), 1),  # an interval whose report does not give the deviation
    ],
)
def test_without_a_spread_there_is_no_half_width_and_no_value(report, n_evaluated):
    summary = summarize_ve_runs(
        [read_ve_observation(report, 0)] * 70, tier="balanced", rule=MinEffectRule.HALF_WIDTH
    )
    assert summary.recommendations is summary.measured is summary.by_rule["half-width"] is None
    assert summary.half_width_windows is None
    assert summary.observed.n_evaluated == 70 * n_evaluated
    evidence = summary.evidence
    assert evidence.n_passing is evidence.draw_interval is evidence.fresh_run_exceeds is None
    assert not evidence.target_shown
    assert "there is no half-width, and no value" in evidence.statement
    by_rate = summary.by_rule["target-rate"].min_effect_lognll
    assert by_rate == (0.002001 if n_evaluated else 0.0)
    assert summary == VeSummary.model_validate_json(summary.model_dump_json())


def test_what_page_4_gives_without_an_interval_is_not_a_measured_value():
    unevaluated = summarize_ve_runs([read_ve_observation(no_scales(), 0)], tier="balanced")
    assert (unevaluated.recommendations.min_effect_lognll, unevaluated.measured) == (0.0, None)
    no_gain = summarize_ve_runs([read_ve_observation(ve_report((-0.002, 0.001)), 0)], tier="balanced")
    assert no_gain.measured == no_gain.recommendations


def test_prefixes_and_repeats_of_a_draw_are_one_observation():
    long, other = [f"w{i}" for i in range(16)], [f"v{i}" for i in range(16)]
    reports = [
        gain_report(0.001, windows=8, window_ids=long[:8]),
        gain_report(0.0, windows=16, window_ids=long),
        gain_report(0.0, windows=16, window_ids=long),
        gain_report(0.0, windows=16, window_ids=other),
        gain_report(0.0, windows=16, window_ids=long, edited="another"),
    ]
    runs = [read_ve_observation(report, 0) for report in reports]
    assert sorted(len(draw) for draw in distinct_draws(runs)) == [1, 1, 3]
    evidence = summarize_ve_runs(runs, tier="balanced", target_enable_rate=0.2).evidence
    exact = binomtest(1, 3).proportion_ci(0.95, method="exact")
    assert (evidence.n_effective, evidence.n_passing) == (3, 1)
    assert evidence.draw_interval == pytest.approx((exact.low, exact.high))
    unnamed = [read_ve_observation(gain_report(0.0), 0)] * 9
    assert [len(draw) for draw in distinct_draws(unnamed)] == [9]


def test_what_shows_a_target():
    """59 draws show 5 % when none passes; by the rule itself 2 of them do."""
    reports = [gain_report(1e-4 + seed * 1e-6, window_ids=[f"w{seed}"]) for seed in range(59)]
    by_rate = summarize_ve_sweep_reports(reports, tier="balanced")["evidence"]
    assert (by_rate["n_effective"], by_rate["n_passing"], by_rate["target_shown"]) == (59, 2, False)
    assert by_rate["runs_needed"] == 59
    assert by_rate["fresh_run_exceeds"] == pytest.approx(3 / 60)
    above_all = summarize_ve_sweep_reports(reports, tier="balanced", safety_margin=0.5)["evidence"]
    assert (above_all["n_passing"], above_all["target_shown"]) == (0, True)
    too_few = summarize_ve_sweep_reports(reports[:58], tier="balanced", safety_margin=0.5)["evidence"]
    assert not too_few["target_shown"]


def test_nested_window_counts_exceed_no_more_often_than_stated():
    """10 draws with 4 nested window counts each: the mean chance of a fresh run stays below the bound."""
    rng = np.random.default_rng(3)
    counts = np.array([6, 8, 12, 16])

    def draw_gains(draws):
        deltas = rng.normal(-0.0005, 0.0008, size=(draws, 16))
        sums = np.cumsum(deltas, axis=1)[:, counts - 1] / counts
        return np.maximum(0.0, -(sums + Z_ONE_SIDED * 0.0008 / np.sqrt(counts)))

    fresh = np.sort(draw_gains(100_000).ravel())
    rates = []
    for _ in range(1500):
        found = target_rate_threshold(draw_gains(10).ravel().tolist(), target=0.05, margin=0.0)
        rates.append(1 - np.searchsorted(fresh, found) / fresh.size)
    bound = fresh_run_exceeds([4] * 10, 0.05)
    assert bound == pytest.approx((2 + 4) / (4 * 11))
    noise = 4 * np.std(rates) / math.sqrt(1500)
    assert 0.05 + noise < np.mean(rates) < bound + noise


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"target_enable_rate": -0.01}, "target enable rate"),
        ({"target_enable_rate": 1.01}, "target enable rate"),
        ({"target_enable_rate": math.nan}, "target enable rate"),
        ({"safety_margin": -0.1}, "safety margin"),
        ({"safety_margin": math.inf}, "safety margin"),
    ],
)
def test_settings_out_of_range(options, match):
    with pytest.raises(ConfigError, match=match):
        summarize_ve_sweep_reports([no_scales()], tier="balanced", **options)


@pytest.mark.parametrize("reports", [[], [without_guard(no_scales())]])
def test_no_run_is_an_error(reports):
    with pytest.raises(DataError, match=f"none of {len(reports)} reports carries the variance guard"):
        summarize_ve_sweep_reports(reports, tier="balanced")


@pytest.mark.parametrize(
    ("other", "match"),
    [
        ({"tier": "conservative"}, "tier conservative among those of balanced"),
        ({"baseline": "another"}, "2 baselines"),
        ({"one_sided": False}, "mix predictive_one_sided"),
        ({"min_effect": 0.016}, "mix min_effect_lognll"),
        ({"ci_method": "bca"}, "mix ci_method"),
    ],
)
def test_runs_that_do_not_belong_together(other, match):
    with pytest.raises(DataError, match=match):
        summarize_ve_sweep_reports([no_scales(), no_scales(**other)], tier="balanced")


def test_baselines_are_pooled_on_purpose_only():
    reports = [no_scales(), no_scales(baseline="another")]
    pooled = summarize_ve_sweep_reports(reports, tier="balanced", pool=["base", "another"])
    assert pooled["n_runs"] == 2
    with pytest.raises(DataError, match="not in the pool"):
        summarize_ve_sweep_reports(reports, tier="balanced", pool=["base"])


def test_sidedness_other_than_the_runs():
    with pytest.raises(DataError, match="predictive_one_sided True, the summary was asked for False"):
        summarize_ve_sweep_reports([no_scales()], tier="balanced", predictive_one_sided=False)


@pytest.mark.parametrize(
    ("gate", "match"),
    [
        ({"delta_ci": [-0.001, -0.002], "mean_delta": -0.0015}, "upside down"),
        ({"delta_ci": [-0.002, -0.001], "mean_delta": None}, "no mean_delta"),
        ({"delta_ci": [-0.002, math.nan], "mean_delta": -0.001}, "delta_ci.1"),
        ({"delta_ci": [-0.002], "mean_delta": -0.001}, "delta_ci"),
        ({"delta_ci": None, "passed": True}, "passed without a delta_ci"),
        ({"delta_ci": [-0.002, -0.002], "mean_delta": -0.002}, "delta_ci .* has no width"),
        ({"delta_ci": [-0.002, -0.001], "mean_delta": 0.0}, "mean_delta 0 is not inside delta_ci"),
        ({"delta_ci": [-0.002, -0.001], "mean_delta": -0.0021}, "mean_delta -0.0021 is not inside"),
        (
            {"delta_ci": [-0.002, 0.001], "mean_delta": -0.001, "passed": True},
            "passed is true, but delta_ci .* reads ci_contains_zero",
        ),
        (
            {"delta_ci": [-0.02, -0.01], "mean_delta": -0.015, "passed": True, "min_effect_lognll": 0.016},
            "passed is true, but delta_ci .* reads gain_below_threshold at min_effect_lognll 0.016",
        ),
        (
            {"delta_ci": [0.01, 0.02], "mean_delta": 0.015, "passed": True, "min_effect_lognll": None},
            "passed is true, but delta_ci .* reads regression_detected",
        ),
        (
            {"delta_ci": [-0.02, -0.01], "mean_delta": -0.015, "passed": False},
            "passed is not true, but delta_ci .* reads ci_gain_met",
        ),
        ({"deviation": -1.0}, "deviation"),
        (None, "predictive_gate"),
    ],
)
def test_an_entry_that_is_not_whole(gate, match):
    damaged = no_scales()
    metrics = damaged["guards"][1]["metrics"]
    metrics["predictive_gate"] = None if gate is None else metrics["predictive_gate"] | gate
    with pytest.raises(DataError, match=match) as error:
        summarize_ve_sweep_reports([no_scales(), damaged], tier="balanced")
    assert error.value.where == "reports[1]"


def test_an_end_at_the_mean_and_one_at_the_threshold_contradict_nothing():
    at_both = ve_report((-0.02, -0.016), -0.016, min_effect=0.016, passed=True)
    assert read_ve_observation(at_both, 0).passed


def test_a_report_with_the_gate_alone_is_enough():
    gate = {"evaluated": True, "delta_ci": [-0.003, -0.001], "mean_delta": -0.002}
    report = {"guards": [{"name": "variance", "metrics": {"predictive_gate": gate}}]}
    summary = summarize_ve_sweep_reports([report], tier="balanced")
    assert summary["recommendations"]["min_effect_lognll"] == 0.001001
    assert summary["power_curve"] == []
