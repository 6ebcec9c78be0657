import json

import numpy as np
import pytest
from scipy import stats

from invarlock.errors import MeasurementError, ModelError, PolicyError
from invarlock.families import Family
from invarlock.guards.report import GuardReport, Severity, Verdict
from invarlock.guards.spectral import judge_spectral
from invarlock.policy.schema import DriftCap, MultipleTesting, SpectralPolicy
from tests.guards.measured_matrices import CONTRACT, drift_between, measure_all

CAPS = {Family.FFN: 3.5, Family.ATTN: 3.0, Family.EMBED: 1.05, Family.OTHER: 0.0}


def policy(**changes) -> SpectralPolicy:
    return SpectralPolicy(**({"family_caps": CAPS} | changes))


def judge(baseline, subject, tier=None, drift=None) -> GuardReport:
    return judge_spectral(measure_all(baseline), measure_all(subject), tier or policy(), drift)


def test_a_no_op_is_allowed_and_reports_the_baselines_own_scores(weights):
    report = judge(weights, weights)
    assert report.verdict is Verdict.ALLOW
    assert report.violations == ()
    metrics = report.metrics
    assert metrics.modules_checked == len(weights)
    assert metrics.weights_digest == metrics.baseline_weights_digest
    for family in Family:
        sigma = {
            n: np.linalg.svd(w, compute_uv=False)[0] for n, w in weights.items() if n.startswith(family.value)
        }
        expected = stats.zscore(list(sigma.values())) if len(sigma) > 1 else [0.0]
        np.testing.assert_allclose([metrics.final_z_scores[n] for n in sigma], expected, atol=1e-9)
        assert metrics.family_stats[family].count == len(sigma)


def test_z_can_be_recomputed_from_the_report_alone(weights):
    subject = weights | {"ffn.3": weights["ffn.3"] * 1.4}
    entry = json.loads(judge(weights, subject).model_dump_json())["metrics"]
    for module in entry["modules"]:
        family = entry["family_stats"][module["family"]]
        spread = (module["sigma"] - family["mean"]) / family["std"] if family["std"] else 0.0
        assert module["z"] == pytest.approx(spread)
        assert entry["final_z_scores"][module["name"]] == module["z"]
    moved = next(m for m in entry["modules"] if m["name"] == "ffn.3")
    assert moved["sigma"] == pytest.approx(1.4 * moved["sigma_base"])


def test_statistics_come_from_the_baseline_so_uniform_growth_shows(weights):
    grown = {name: 3.0 * matrix for name, matrix in weights.items()}
    report = judge(weights, grown)
    assert report.verdict is Verdict.BLOCK
    assert report.metrics.caps_exceeded
    assert report.metrics.caps_applied > 20


def test_one_module_beyond_its_cap_is_monitored_within_the_budget_and_blocks_beyond_it(weights):
    subject = weights | {"ffn.3": weights["ffn.3"] * 2.5}
    report = judge(weights, subject)
    assert report.verdict is Verdict.MONITOR
    assert report.passed
    [warning] = report.violations
    assert (warning.type, warning.module, warning.severity) == ("family_z_cap", "ffn.3", Severity.BUDGETED)
    assert (warning.kappa, warning.z_score) == (3.5, report.metrics.final_z_scores["ffn.3"])
    selection = report.metrics.multiple_testing_selection
    assert selection.families_selected == (Family.FFN,)
    assert selection.family_pvalues[Family.FFN] == pytest.approx(2 * stats.norm.sf(abs(warning.z_score)))
    assert judge(weights, subject, policy(max_caps=1)).verdict is Verdict.MONITOR
    over = judge(weights, subject, policy(max_caps=0))
    assert over.verdict is Verdict.BLOCK
    assert over.metrics.caps_exceeded


def test_a_candidate_whose_family_is_not_selected_is_no_warning(weights):
    tight = policy(
        family_caps={Family.FFN: 1.0, Family.OTHER: 9.0},
        multiple_testing=MultipleTesting(method="bonferroni", alpha=1e-4, m=4),
    )
    report = judge(weights, weights, tight)
    selection = report.metrics.multiple_testing_selection
    assert selection.families_tested == (Family.FFN,)
    assert selection.families_selected == ()
    assert (
        selection.family_violation_counts[Family.FFN]
        == report.metrics.family_z_summary[Family.FFN].violations
        > 0
    )
    assert report.verdict is Verdict.ALLOW


def test_the_cap_is_strict(weights):
    z = judge(weights, weights).metrics.family_z_quantiles[Family.ATTN].max
    at_cap = judge(weights, weights, policy(family_caps={Family.ATTN: z, Family.OTHER: 9.0}))
    assert at_cap.metrics.multiple_testing_selection.families_tested == ()
    below = judge(weights, weights, policy(family_caps={Family.ATTN: np.nextafter(z, 0), Family.OTHER: 9.0}))
    assert below.metrics.multiple_testing_selection.families_tested == (Family.ATTN,)


def test_a_family_without_a_cap_takes_others(weights):
    report = judge(weights, weights, policy(family_caps={Family.OTHER: 2.25}))
    assert {summary.kappa for summary in report.metrics.family_z_summary.values()} == {2.25}
    with pytest.raises(PolicyError, match="attn"):
        judge(weights, weights, policy(family_caps={Family.FFN: 3.0}))


def test_scope_limits_what_is_judged_and_must_match_something(weights):
    report = judge(weights, weights, policy(scope="attn"))
    assert report.metrics.modules_checked == 8
    assert set(report.metrics.family_stats) == {Family.ATTN}
    without = {name: w for name, w in weights.items() if not name.startswith("attn")}
    with pytest.raises(PolicyError, match="scope attn matches none"):
        judge(without, without, policy(scope="attn"))


def test_modules_must_pair(weights):
    less = {name: w for name, w in weights.items() if name != "ffn.5"}
    for baseline, subject, side in ((weights, less, "subject"), (less, weights, "baseline")):
        with pytest.raises(ModelError, match=rf"the {side} has no module ffn\.5"):
            judge(baseline, subject)
    with pytest.raises(ModelError, match="shape") as error:
        judge(weights, weights | {"ffn.5": weights["ffn.5"].T})
    assert error.value.where == "ffn.5"


def test_two_estimators_are_not_compared(weights):
    other = CONTRACT.model_copy(update={"method": "power_iter"})
    with pytest.raises(MeasurementError, match="two contracts"):
        judge_spectral(measure_all(weights), measure_all(weights, other), policy())


def test_an_absolute_norm_limit_is_fatal(weights):
    largest = max(np.linalg.norm(w, ord=2) for w in weights.values())
    assert judge(weights, weights, policy(max_spectral_norm=largest * 1.001)).verdict is Verdict.ALLOW
    report = judge(weights, weights, policy(max_spectral_norm=largest * 0.999))
    assert report.verdict is Verdict.BLOCK
    assert [v.type for v in report.violations] == ["max_spectral_norm"]


def rank_one(matrix: np.ndarray, share: float) -> np.ndarray:
    """``matrix`` with all but its leading singular direction scaled by ``share``."""
    u, s, v = np.linalg.svd(matrix, full_matrices=False)
    return (u * np.concatenate([s[:1], s[1:] * share])) @ v


@pytest.mark.parametrize(
    ("edit", "kind", "severity"),
    [
        (lambda w: rank_one(w, 0.55), "stable_rank_collapse", Severity.WARNING),
        (lambda w: rank_one(w, 0.1), "stable_rank_collapse", Severity.FATAL),
        (
            lambda w: w * np.where(np.arange(len(w)) == 4, 0.15, 1.0)[:, None],
            "norm_collapse",
            Severity.WARNING,
        ),
        (lambda w: w * np.where(np.arange(w.shape[1]) == 4, 0.01, 1.0), "norm_collapse", Severity.FATAL),
    ],
)
def test_degenerate_matrices_are_found(weights, edit, kind, severity):
    report = judge(weights, weights | {"ffn.2": edit(weights["ffn.2"])})
    found = {v.type: v.severity for v in report.violations if v.module == "ffn.2"}
    assert found[kind] is severity
    assert (report.verdict is Verdict.BLOCK) == (Severity.FATAL in found.values())


def test_a_row_that_was_zero_before_is_no_collapse(weights):
    padded = weights["embed.0"].copy()
    padded[0] = 0.0
    baseline = weights | {"embed.0": padded}
    assert not [v for v in judge(baseline, baseline).violations if v.type == "norm_collapse"]
    residue = padded.copy()
    residue[0] = 1e-9  # what an SVD leaves of it
    report = judge(baseline, weights | {"embed.0": residue})
    assert not [v for v in report.violations if v.type == "norm_collapse"]


@pytest.mark.parametrize(("dead", "factor"), [(1, 0.0), (17, 0.0), (1, 0.01), (7, 0.01)])
@pytest.mark.parametrize("axis", [0, 1])
def test_a_row_that_was_zero_before_hides_no_collapse(weights, dead, factor, axis):
    padded = weights["embed.0"].T.copy() if axis else weights["embed.0"].copy()
    padded[0] = 0.0
    edited = padded.copy()
    edited[1 : 1 + dead] *= factor
    if axis:
        padded, edited = padded.T, edited.T
    report = judge(weights | {"embed.0": padded}, weights | {"embed.0": edited})
    found = {v.type: v.severity for v in report.violations if v.module == "embed.0"}
    assert found["norm_collapse"] is Severity.FATAL
    assert report.verdict is Verdict.BLOCK


def test_drift_is_recorded_always_and_gated_where_the_tier_caps_it(weights):
    rng = np.random.default_rng(3)
    name = "ffn.4"
    spike = np.outer(rng.standard_normal(24), rng.standard_normal(16))
    subject = weights | {name: weights[name] + 0.02 * spike}
    drift = drift_between(subject, weights)
    ungated = judge(weights, subject, drift=drift)
    assert ungated.verdict is Verdict.ALLOW
    moved = next(m for m in ungated.metrics.modules if m.name == name)
    assert (moved.log_sigma, moved.edit_edge) == (drift[name].log_sigma, drift[name].edit_edge)
    caps = {Family.OTHER: DriftCap(log_sigma=None, relative_change=0.5, edit_edge=1.3)}
    gated = judge(weights, subject, policy(drift_caps=caps), drift)
    assert gated.verdict is Verdict.BLOCK
    [finding] = gated.violations
    assert (finding.type, finding.module, finding.limit) == ("drift_cap", name, 1.3)
    noise = weights | {name: weights[name] + 0.02 * rng.standard_normal((24, 16))}
    assert (
        judge(weights, noise, policy(drift_caps=caps), drift_between(noise, weights)).verdict is Verdict.ALLOW
    )


def test_log_sigma_is_capped_both_ways(weights):
    caps = {Family.OTHER: DriftCap(log_sigma=0.1)}
    shrunk = weights | {"attn.1": weights["attn.1"] * 0.8}
    report = judge(weights, shrunk, policy(drift_caps=caps), drift_between(shrunk, weights))
    assert [v.type for v in report.violations] == ["drift_cap"]


def test_a_capped_drift_that_was_not_measured_is_an_error(weights):
    caps = {Family.FFN: DriftCap(log_sigma=0.1)}
    drift = drift_between(weights, weights)
    with pytest.raises(MeasurementError, match="not measured"):
        judge(weights, weights, policy(drift_caps=caps))
    del drift["ffn.7"]
    with pytest.raises(MeasurementError) as error:
        judge(weights, weights, drift=drift)
    assert error.value.where == "ffn.7"


def test_reports_are_honest_about_small_families_and_missing_drift(weights):
    report = judge(weights, weights)
    assert sum("by arithmetic" in s or "arithmetic holds" in s for s in report.diagnostics) == 2
    assert any("drift from the baseline was not measured" in s for s in report.diagnostics)
    assert len(judge(weights, weights, drift=drift_between(weights, weights)).diagnostics) == 2


def test_the_entry_survives_json_and_lists_the_farthest_modules_first(weights):
    report = judge(weights, weights | {"ffn.3": weights["ffn.3"] * 2.5})
    assert GuardReport.model_validate_json(report.model_dump_json()) == report
    assert report.metrics.top_z_scores[Family.FFN][0].module == "ffn.3"
