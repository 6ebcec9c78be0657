"""The lint on a run's report: what its losses, model, data, edit and policy refute in an entry that hangs together."""

from __future__ import annotations

import copy

import pytest

from invarlock.guards.variance_metrics import target_fingerprint
from invarlock.measure.branch_records import VirtualScales
from invarlock.policy.resolution import policy_sha256
from invarlock.problems import dotted
from invarlock.reports.enablement import check_enablement
from tests.guards.variance_arms import tap
from tests.reports.variance_reports import GAIN, Change, Json, both, leave_out, places, run_report, set_at

METRICS = "guards.0.metrics"
GATE, TEST = f"{METRICS}.predictive_gate", f"{METRICS}.ab_test"
A, B = f"{TEST}.provenance.condition_a", f"{TEST}.provenance.condition_b"
GATE_AT, TEST_AT = "guards[0].metrics.predictive_gate", "guards[0].metrics.ab_test"
A_AT, B_AT = f"{TEST_AT}.provenance.condition_a", f"{TEST_AT}.provenance.condition_b"
UNMOVED = [0.01, -0.01, 0.02, -0.02, 0.005, -0.004]


@pytest.mark.parametrize("deltas", [GAIN, [-d for d in GAIN], [0.1 * d for d in GAIN], UNMOVED, GAIN[:1], []])
def test_what_the_guard_reports_is_in_order(deltas: list[float]) -> None:
    report = run_report(deltas)
    assert report["guards"][0]["metrics"]["enabled"] == (deltas is GAIN)
    assert check_enablement(report) == ()


def test_a_run_without_scales_or_without_the_gate_is_in_order() -> None:
    assert check_enablement(run_report(GAIN, {0: 1.0})) == ()
    report = run_report(GAIN, predictive_gate=False)
    assert report["guards"][0]["metrics"]["predictive_gate"]["reason"] == "disabled"
    assert check_enablement(report) == ()


def test_a_run_without_the_guard_enables_nothing() -> None:
    assert check_enablement({"guards": [{"name": "spectral"}]}) == ()


def test_the_variance_block_beside_losses_is_held_against_them() -> None:
    report = run_report(GAIN)
    report["variance"] = copy.deepcopy(report["guards"][0]["metrics"])
    assert check_enablement(report) == ()
    report["variance"]["predictive_gate"]["deviation"] = 1.0
    assert places(report) == ["variance.predictive_gate.deviation"]


def interval(lower: float, upper: float, mean: float) -> Change:
    return both(
        set_at(f"{GATE}.delta_ci", [lower, upper]),
        set_at(f"{GATE}.gain_ci", [-upper, -lower]),
        set_at(f"{GATE}.mean_delta", mean),
    )


def equalize_nothing(report: Json) -> None:
    report["windows"]["equalized"] = report["windows"]["edited"]


def name_one_window(report: Json) -> None:
    ids = ["w0"] * len(GAIN)
    both(set_at(f"{A}.window_ids", ids), set_at(f"{B}.window_ids", ids))(report)
    for losses in report["windows"].values():
        for loss in losses:
            loss["window_id"] = "w0"


def rename_in_the_entry(report: Json) -> None:
    ids = [f"v{i}" for i in range(len(GAIN))]
    both(set_at(f"{A}.window_ids", ids), set_at(f"{B}.window_ids", ids))(report)


def blow_up_a_factor(report: Json) -> None:
    """Consistent everywhere but with the moments that it is said to come from."""
    metrics = report["guards"][0]["metrics"]
    metrics["proposed_scales"][tap(0).module] = metrics["proposal"]["taps"][0]["factor"] = 5.0
    arm = metrics["ab_test"]["provenance"]["condition_b"]
    arm["target_fingerprint"] = target_fingerprint(metrics["proposed_scales"])
    arm["model_digest"] = VirtualScales(factors=metrics["proposed_scales"]).variant_of("a" * 64)


def blow_up_the_moments(report: Json) -> None:
    blow_up_a_factor(report)
    tap_report = report["guards"][0]["metrics"]["proposal"]["taps"][0]
    tap_report |= {"target": 25.0, "edited": 1.0, "alpha": 5.0, "clamped": 5.0}


NO_WINDOWS = both(
    set_at(f"{A}.window_ids", []),
    set_at(f"{B}.window_ids", []),
    set_at(f"{TEST}.windows_used", 0),
    set_at(f"{GATE}.windows", 0),
)
OTHER_DATA = both(set_at(f"{A}.dataset_hash", "x"), set_at(f"{B}.dataset_hash", "x"))
OTHER_TOKENIZER = both(set_at(f"{A}.tokenizer_hash", "x"), set_at(f"{B}.tokenizer_hash", "x"))
OTHER_MODEL = both(
    set_at(f"{A}.model_digest", "x"),
    set_at(
        f"{B}.model_digest", VirtualScales(factors={tap(0).module: 1.03, tap(1).module: 0.97}).variant_of("x")
    ),
)
FAR = [f"{GATE_AT}.delta_ci", f"{GATE_AT}.mean_delta"]

FORGERIES = {
    "a: interval": (interval(-0.03, -0.02, -0.025), FAR),
    "a: its last digits": (set_at(f"{GATE}.mean_delta", -0.0206666), [f"{GATE_AT}.mean_delta"]),
    "a: deviation": (set_at(f"{GATE}.deviation", 1e-6), [f"{GATE_AT}.deviation"]),
    "a: method": (set_at(f"{GATE}.ci_method", "bca"), [f"{GATE_AT}.ci_method"]),
    "b: equalized is edited": (equalize_nothing, [f"{GATE_AT}.{name}" for name in ("evaluated", "reason")]),
    "b: no equalized": (set_at("windows.equalized", []), [B_AT, GATE_AT]),
    "c: no windows": (NO_WINDOWS, [f"{A_AT}.window_ids", A_AT, B_AT, f"{GATE_AT}.windows"]),
    "d: one window": (name_one_window, [f"{A_AT}.window_ids"] * 2),
    "windows of another run": (rename_in_the_entry, [A_AT, B_AT]),
    "e: b ran another model": (set_at(f"{B}.model_digest", "b" * 64), [f"{B_AT}.model_digest"]),
    "e: a ran another model": (
        set_at(f"{A}.model_digest", "x"),
        [f"{B_AT}.model_digest", f"{A_AT}.model_digest"],
    ),
    "e: both did": (OTHER_MODEL, [f"{A_AT}.model_digest"]),
    "f: data": (OTHER_DATA, [f"{A_AT}.dataset_hash"]),
    "f: tokenizer": (OTHER_TOKENIZER, [f"{A_AT}.tokenizer_hash"]),
    "g: seed": (set_at(f"{TEST}.seed", 6), [f"{TEST_AT}.seed"]),
    "h: factor": (blow_up_a_factor, ["guards[0].metrics.proposal.taps[0].factor"]),
    "h: factor and moments": (
        blow_up_the_moments,
        [f"guards[0].metrics.proposal.taps[0].{name}" for name in ("clamped", "factor")],
    ),
    "i: threshold": (
        both(
            set_at("resolved_policy.variance.min_effect_lognll", 0.0),
            set_at("guards.0.policy.min_effect_lognll", 0.0),
            set_at(f"{GATE}.min_effect_lognll", 0.0),
        ),
        ["policy_provenance.policy_sha256", "policy_provenance.policy_digest"],
    ),
    "i: overrides": (
        set_at("policy_provenance.overrides", []),
        ["policy_provenance.policy_sha256", "policy_provenance.policy_digest"],
    ),
    "i: no provenance": (
        leave_out("policy_provenance"),
        ["policy_provenance.policy_sha256", "policy_provenance.policy_digest"],
    ),
    "j: mean outside": (set_at(f"{GATE}.mean_delta", -0.5), [f"{GATE_AT}.mean_delta"] * 2),
    "k: blocks": (set_at("guards.0.verdict", "block"), ["guards[0].verdict"]),
    "k: not passed": (set_at("guards.0.passed", False), ["guards[0].passed"]),
    "judged by another policy": (set_at("guards.0.policy.deadband", 0.5), ["guards[0].policy"]),
    "name": (set_at("guards.0.name", "Variance"), ["guards[0].name"]),
    "edit cost": (set_at(f"{METRICS}.edit_cost", 0.0), ["guards[0].metrics.edit_cost"]),
    "edit cost left out": (set_at(f"{METRICS}.edit_cost", None), ["guards[0].metrics.edit_cost"]),
    "no losses": (leave_out("windows"), ["windows"]),
    "more windows asked": (set_at("data.calibration_windows", 8), [f"{GATE_AT}.evaluated"]),
    "no edit": (leave_out("edit"), ["edit"]),
    "edit of nothing named": (set_at("edit.plan", {}), ["edit.plan.modules"]),
}
# The gate that these are held against has other numbers throughout, or none.
MORE = {"b: equalized is edited", "more windows asked", "d: one window"}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_found_where_it_is(name: str) -> None:
    forge, where = FORGERIES[name]
    report = run_report(GAIN)
    forge(report)
    found = places(report)
    assert set(where) <= set(found), found
    if name not in MORE:
        assert sorted(found) == sorted(where)


def test_a_run_that_enables_nothing_is_held_to_its_losses_too() -> None:
    report = run_report(UNMOVED)
    set_at(f"{GATE}.reason", "regression_detected")(report)
    set_at("guards.0.verdict", "monitor")(report)
    assert places(report) == [f"{GATE_AT}.delta_ci"]
    report = run_report(GAIN)  # a gain that is kept quiet
    for path, value in (("evaluated", False), ("passed", False), ("reason", "no_scales")):
        set_at(f"{GATE}.{path}", value)(report)
    set_at(f"{METRICS}.enabled", False)(report)
    for path in ("delta_ci", "gain_ci", "mean_delta", "deviation", "ci_method"):
        set_at(f"{GATE}.{path}", None)(report)
    assert f"{GATE_AT}.evaluated" in places(report)


def test_a_reason_without_an_interval_is_the_runs() -> None:
    report = run_report(GAIN[:1])
    assert report["guards"][0]["metrics"]["predictive_gate"]["reason"] == "ci_unavailable"
    set_at(f"{GATE}.reason", "no_scales")(report)
    assert places(report) == [f"{GATE_AT}.reason"]


def test_a_policy_made_anew_with_its_digest_is_beyond_the_lint() -> None:
    """Only the tiers file says whether a policy was its tier's; no report can."""
    report = run_report(GAIN)
    for path in ("resolved_policy.variance", "guards.0.policy", GATE):
        set_at(f"{path}.min_effect_lognll", 0.0)(report)
    sha256 = policy_sha256(report["resolved_policy"], report["policy_provenance"]["overrides"])
    report["policy_provenance"] |= {"policy_sha256": sha256, "policy_digest": sha256[:16]}
    assert check_enablement(report) == ()


@pytest.mark.parametrize(
    ("edited", "off"),
    [
        (["model.layers.0.mlp.up_proj", "model.layers.1.mlp.down_proj"], []),
        (["model.layers.0.mlp.up_proj"], [1]),
        (["model.layers.9.mlp.up_proj", "model.layers.1.mlp.down_proj"], [0]),
        (["model.layers.0.self_attn.q_proj", "model.layers.1.self_attn.o_proj"], [0, 1]),
        (["model.embed_tokens"], [0, 1]),
    ],
)
def test_targets_lie_on_branches_that_the_edit_changed(edited: list[str], off: list[int]) -> None:
    report = run_report(GAIN)
    report["edit"]["plan"]["modules"] = edited
    assert places(report) == [f"guards[0].metrics.target_modules[{index}]" for index in off]


def test_a_cross_attention_is_off_target_where_the_self_attention_was_edited() -> None:
    report = run_report(GAIN)
    edited, off = "decoder.block.0.layer.0.SelfAttention.q", "decoder.block.0.layer.1.EncDecAttention.o"
    report["guards"][0]["metrics"]["target_modules"] = [off]
    report["edit"]["plan"]["modules"] = [edited]
    [problem] = [found for found in check_enablement(report) if "left its branch alone" in found.message]
    assert dotted(problem.path) == "guards[0].metrics.target_modules[0]"
    report["edit"]["plan"]["modules"] = ["decoder.block.0.layer.1.EncDecAttention.v"]
    assert not any("left its branch alone" in found.message for found in check_enablement(report))
