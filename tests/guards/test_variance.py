import pytest

from invarlock.errors import DataError
from invarlock.families import Family
from invarlock.guards.predictive_gate import GateReason
from invarlock.guards.report import GuardReport, Severity, Verdict
from invarlock.guards.variance import judge_variance
from invarlock.guards.variance_metrics import VarianceMetrics, target_fingerprint
from invarlock.guards.variance_scales import propose_scales
from invarlock.measure.branch_records import VirtualScales
from invarlock.policy.schema import TierPolicy
from invarlock.policy.variance import VariancePolicy, VarianceTarget
from tests.guards.variance_arms import moments, predictive_test, propose, tap

GAIN = [-0.020, -0.024, -0.018, -0.022, -0.021, -0.019]
POLICY = VariancePolicy(max_adjusted_modules=0)


def judge(deltas, policy=POLICY, proposal=None, **test):
    proposal = proposal or propose({0: 1.05, 1: 0.95, 2: 1.0}, **dict(policy))
    return judge_variance(proposal, predictive_test(deltas, **test), policy)


def test_an_enablement_and_its_evidence():
    report = judge(GAIN)
    assert (report.name, report.verdict, report.passed, report.violations) == (
        "variance",
        Verdict.ALLOW,
        True,
        (),
    )
    assert report.policy == POLICY.model_dump(mode="json")
    metrics = report.metrics
    assert metrics.enabled
    assert metrics.predictive_gate.reason is GateReason.CI_GAIN_MET
    assert metrics.target_modules == (tap(0).module, tap(1).module)
    assert metrics.proposed_scales == pytest.approx({tap(0).module: 1.03, tap(1).module: 0.97})
    assert (metrics.scope.value, metrics.tap, metrics.target) == ("ffn", POLICY.tap, VarianceTarget.BASELINE)
    assert metrics.edit_cost == pytest.approx(0.25)


def test_provenance_of_both_arms():
    test = judge(GAIN).metrics.ab_test
    a, b = test.provenance.condition_a, test.provenance.condition_b
    windows = tuple(f"w{i}" for i in range(6))
    assert (test.seed, test.windows_used, a.window_ids, b.window_ids) == (5, 6, windows, windows)
    assert (a.tag.value, b.tag.value) == ("edited", "virtual_ve")
    assert (a.model_digest, b.model_digest) == ("a" * 64, "b" * 64)
    assert a.dataset_hash == b.dataset_hash == "d" * 64
    assert a.tokenizer_hash == b.tokenizer_hash == "e" * 64
    scales = judge(GAIN).metrics.proposed_scales
    assert a.target_fingerprint == target_fingerprint({})
    assert b.target_fingerprint == VirtualScales(factors=scales).digest != a.target_fingerprint


def test_the_fingerprint_does_not_depend_on_the_order_of_targets():
    assert target_fingerprint({"a": 1.1, "b": 0.9}) == target_fingerprint({"b": 0.9, "a": 1.1})
    assert target_fingerprint({"a": 1.1}) != target_fingerprint({"a": 1.2})


def test_a_regression_is_recorded_and_never_blocks():
    report = judge([-delta for delta in GAIN])
    assert (report.verdict, report.passed, report.metrics.enabled) == (Verdict.MONITOR, True, False)
    [violation] = report.violations
    assert (violation.type, violation.severity) == ("variance_regression", Severity.WARNING)
    lower, upper = report.metrics.predictive_gate.delta_ci
    assert f"[{lower:.3g}, {upper:.3g}]" in violation.message


def test_no_gain_is_no_finding():
    report = judge([0.01, -0.01, 0.02, -0.02])
    assert (report.verdict, report.violations, report.metrics.enabled) == (Verdict.ALLOW, (), False)
    assert report.metrics.predictive_gate.reason is GateReason.CI_CONTAINS_ZERO


def test_without_scales_b_need_not_be_run():
    report = judge(GAIN, proposal=propose({0: 1.0}), run=False)
    metrics = report.metrics
    assert (report.verdict, metrics.enabled) == (Verdict.ALLOW, False)
    assert metrics.predictive_gate.reason is GateReason.NO_SCALES
    assert (metrics.target_modules, metrics.proposed_scales) == ((), {})
    assert metrics.ab_test.windows_used == 6
    assert metrics.ab_test.provenance.condition_b is None


def test_with_scales_b_must_be_run():
    with pytest.raises(DataError, match=r"B .* and A .* were not evaluated on the same windows"):
        judge(GAIN, run=False)


def test_the_gate_off_enables_nothing_and_says_why():
    report = judge(GAIN, VariancePolicy(predictive_gate=False), run=False)
    assert not report.metrics.enabled
    assert report.metrics.predictive_gate.reason is GateReason.DISABLED
    assert any("gate is off" in line for line in report.diagnostics)


def test_too_few_windows():
    gate = judge(GAIN, asked=8).metrics.predictive_gate
    assert (gate.reason, gate.windows) == (GateReason.INSUFFICIENT_COVERAGE, 6)
    none = judge([], asked=8).metrics
    assert none.predictive_gate.reason is GateReason.NO_CALIBRATION
    assert none.edit_cost is None


def test_the_base_need_not_be_run_but_on_the_same_windows():
    test = predictive_test(GAIN)
    proposal = propose({0: 1.05})
    without = judge_variance(proposal, test.model_copy(update={"base": None}), POLICY)
    assert without.metrics.edit_cost is None
    other = test.base.model_copy(update={"losses": test.base.losses[1:]})
    with pytest.raises(DataError, match=r"A \(edited\) and the base"):
        judge_variance(proposal, test.model_copy(update={"base": other}), POLICY)


def test_scope_is_the_family_of_the_branches_or_all():
    taps = [tap(0), tap(0, Family.ATTN)]
    arms = moments(dict.fromkeys(taps, 1.0))
    for patterns, scope in ((("*.c_proj",), "all"), (("*attn.c_proj",), "attn"), (("*mlp.c_proj",), "ffn")):
        policy = VariancePolicy(tap=patterns)
        report = judge(GAIN, policy, propose_scales(arms, arms, taps, policy))
        assert report.metrics.scope.value == scope


def test_diagnostics_name_the_clamp_the_backstop_and_the_unit_target():
    [clamped] = judge(GAIN, proposal=propose({0: 1.5, 1: 1.05})).diagnostics
    assert clamped == "1 of 2 scales end at the clamp"
    assert "backstop" in judge(GAIN, proposal=propose({0: 1.015})).diagnostics[0]
    unit = judge(GAIN, proposal=propose({0: 1.05}, target="unit")).diagnostics
    assert "second moment of 1" in unit[0]


def test_the_entry_survives_its_json():
    report = judge(GAIN)
    read = GuardReport.model_validate_json(report.model_dump_json())
    assert read == report
    assert isinstance(read.metrics, VarianceMetrics)


def test_resolved_policy_has_the_knobs_of_seed_003():
    resolved = TierPolicy().model_dump(mode="json")["variance"]
    assert {"predictive_one_sided", "min_effect_lognll", "max_adjusted_modules"} <= resolved.keys()
