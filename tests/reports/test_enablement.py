"""The lint on one entry without losses: what its own numbers and the resolved policy refute."""

from __future__ import annotations

import pytest

from invarlock.guards.variance_metrics import target_fingerprint
from invarlock.problems import dotted
from invarlock.reports.enablement import check_enablement
from tests.guards.variance_arms import tap
from tests.reports.variance_reports import (
    GAIN,
    MODULE,
    Change,
    Json,
    both,
    evaluation_report,
    leave_out,
    places,
    run_report,
    set_at,
)


def test_what_the_guard_enables_is_in_order() -> None:
    report = evaluation_report(GAIN)
    assert report["variance"]["enabled"]
    assert check_enablement(report) == ()


@pytest.mark.parametrize("deltas", [[0.01, -0.01, 0.02], [-d for d in GAIN], [0.001 * d for d in GAIN], []])
def test_what_the_guard_leaves_off_is_in_order(deltas: list[float]) -> None:
    report = evaluation_report(deltas)
    assert not report["variance"]["enabled"]
    assert check_enablement(report) == ()


def test_an_unedited_model_is_in_order() -> None:
    assert check_enablement(evaluation_report(GAIN, {0: 1.0})) == ()


@pytest.mark.parametrize("report", [{}, {"guards": None}, {"guards": {"name": "variance"}}])
def test_what_is_no_report_is_a_problem(report: Json) -> None:
    [problem] = check_enablement(report)
    assert "no run report or evaluation report" in problem.message


def interval(lower: float, upper: float, mean: float) -> Change:
    def change(report: Json) -> None:
        gate = report["variance"]["predictive_gate"]
        gate |= {"delta_ci": [lower, upper], "gain_ci": [-upper, -lower], "mean_delta": mean}

    return change


def move_tap(report: Json) -> None:
    """The scaled branch is another than the tier's patterns name."""
    moved = report["variance"]["proposal"]["taps"][0]["tap"]
    moved["canonical"] = "transformer.h.0.attn.c_proj"


A, B = "variance.ab_test.provenance.condition_a", "variance.ab_test.provenance.condition_b"
GATE, RESOLVED = "variance.predictive_gate", "resolved_policy.variance"
SCALES = {tap(0).module: 1.03, tap(1).module: 0.97}

MUTATIONS = {
    "ci contains 0": (interval(-0.03, 0.001, -0.02), [f"{GATE}.delta_ci"], "ci_contains_zero"),
    "ci touches 0": (interval(-0.03, 0.0, -0.02), [f"{GATE}.delta_ci"], "ci_contains_zero"),
    "ci misses the threshold": (interval(-0.03, -0.01, -0.02), [f"{GATE}.delta_ci"], "gain_below_threshold"),
    "mean above its interval": (interval(-0.03, -0.017, -0.01), [f"{GATE}.mean_delta"], "lies outside"),
    "mean below its interval": (interval(-0.03, -0.017, -0.04), [f"{GATE}.mean_delta"], "lies outside"),
    "regression": (interval(0.02, 0.03, 0.025), [f"{GATE}.delta_ci"], "regression_detected"),
    "ends reversed": (interval(-0.02, -0.03, -0.025), [f"{GATE}.delta_ci"], "reversed"),
    "gain is of another interval": (set_at(f"{GATE}.gain_ci", [0.1, 0.2]), [f"{GATE}.gain_ci"], "signs"),
    "stricter tier than the gate's": (
        set_at(f"{RESOLVED}.min_effect_lognll", 0.03),
        [f"{GATE}.delta_ci", f"{GATE}.min_effect_lognll"],
        "at min_effect_lognll 0.03",
    ),
    "sidedness": (set_at(f"{RESOLVED}.predictive_one_sided", False), [f"{GATE}.one_sided"], "has False"),
    "gate off": (set_at(f"{RESOLVED}.predictive_gate", False), ["variance.enabled"], "is false"),
    "another target": (
        set_at(f"{RESOLVED}.target", "unit"),
        ["variance.target", "variance.proposal.target"],
        "has unit",
    ),
    "not passed": (set_at(f"{GATE}.passed", False), [f"{GATE}.passed"], "enabled is true"),
    "passed but off": (
        set_at("variance.enabled", False),
        [f"{GATE}.passed", f"{GATE}.reason"],
        "enabled is false",
    ),
    "another reason": (
        set_at(f"{GATE}.reason", "no_scales"),
        [f"{GATE}.reason", f"{GATE}.delta_ci"],
        "no_scales, but enabled",
    ),
    "not evaluated": (
        set_at(f"{GATE}.evaluated", False),
        [f"{GATE}.evaluated"],
        "there is an interval",
    ),
    "no mean": (set_at(f"{GATE}.mean_delta", None), [f"{GATE}.evaluated"], "without an interval"),
    "no interval": (set_at(f"{GATE}.delta_ci", None), [f"{GATE}.evaluated"], "without an interval"),
    "no test": (leave_out("variance.ab_test"), ["variance.ab_test"], "missing"),
    "no provenance": (leave_out("variance.ab_test.provenance"), ["variance.ab_test.provenance"], "missing"),
    "null provenance": (set_at("variance.ab_test.provenance", None), ["variance.ab_test.provenance"], "null"),
    "no a": (leave_out(A), [A], "missing"),
    "no b": (set_at(B, None), [B], "missing"),
    "no seed": (leave_out("variance.ab_test.seed"), ["variance.ab_test.seed"], "missing"),
    "no windows": (leave_out(f"{A}.window_ids"), [f"{A}.window_ids"], "missing"),
    "no dataset hash": (leave_out(f"{A}.dataset_hash"), [f"{A}.dataset_hash"], "missing"),
    "empty tokenizer hash": (set_at(f"{B}.tokenizer_hash", ""), [f"{B}.tokenizer_hash"], "at least 1"),
    "null model digest": (set_at(f"{B}.model_digest", None), [f"{B}.model_digest"], "null"),
    "other windows in b": (set_at(f"{B}.window_ids", ["w0", "w1"]), [f"{B}.window_ids"], "differs"),
    "other order in b": (
        set_at(f"{B}.window_ids", ["w1", "w0", "w2", "w3", "w4", "w5"]),
        [f"{B}.window_ids"],
        "differs",
    ),
    "other data in b": (set_at(f"{B}.dataset_hash", "x"), [f"{B}.dataset_hash"], "differs"),
    "other tokenizer in b": (set_at(f"{B}.tokenizer_hash", "x"), [f"{B}.tokenizer_hash"], "differs"),
    "equal fingerprints": (
        set_at(f"{A}.target_fingerprint", target_fingerprint(SCALES)),
        [f"{A}.target_fingerprint"],
        "not that of no scales",
    ),
    "b ran no scales": (
        set_at(f"{B}.target_fingerprint", target_fingerprint({})),
        [f"{B}.target_fingerprint"],
        "not that of the proposed scales",
    ),
    "swapped arms": (
        both(set_at(f"{A}.tag", "virtual_ve"), set_at(f"{B}.tag", "edited")),
        [f"{A}.tag", f"{B}.tag"],
        "expected",
    ),
    "fewer windows used": (
        both(set_at("variance.ab_test.windows_used", 5), set_at(f"{GATE}.windows", 5)),
        ["variance.ab_test.windows_used"],
        "6 are named",
    ),
    "gate on other windows": (set_at(f"{GATE}.windows", 16), [f"{GATE}.windows"], "not the 6"),
    "off target by place": (move_tap, ["variance.target_modules[0]"], f"{MODULE} is off target"),
    "off target by tier": (
        both(set_at(f"{RESOLVED}.tap", ["*.attn.c_proj"]), set_at("variance.tap", ["*.attn.c_proj"])),
        ["variance.target_modules[0]", "variance.target_modules[1]"],
        "off target",
    ),
    "other patterns": (set_at("variance.tap", ["*"]), ["variance.tap"], "resolved_policy.variance has"),
    "targets are not scaled": (
        set_at("variance.target_modules", [MODULE]),
        ["variance.target_modules"],
        "not the modules",
    ),
    "more modules than allowed": (
        set_at(f"{RESOLVED}.max_adjusted_modules", 1),
        [f"variance.proposal.taps[1].{name}" for name in ("factor", "dropped")],
        "its moments give not_among_largest",
    ),
    "smaller step": (
        set_at(f"{RESOLVED}.max_scale_step", 0.01),
        [f"variance.proposal.taps[{index}].factor" for index in (0, 1)],
        "1.03, but its moments give 1.01",
    ),
    "narrower clamp": (
        set_at(f"{RESOLVED}.clamp.max", 1.04),
        ["variance.proposal.taps[0].clamped"],
        "1.05, but its moments give 1.04",
    ),
    "alpha of other moments": (
        set_at("variance.proposal.taps.0.alpha", 1.06),
        ["variance.proposal.taps[0].alpha"],
        "1.06, but its moments give 1.05",
    ),
    "moments of nothing": (
        set_at("variance.proposal.taps.0.edited", 0.0),
        ["variance.proposal.taps[0].edited"],
        "greater than 0",
    ),
    "moments without a factor": (
        both(
            set_at("variance.proposal.taps.0.target", 1e308),
            set_at("variance.proposal.taps.0.edited", 5e-324),
        ),
        ["variance.proposal.taps"],
        "no finite factor",
    ),
    "negative factor": (
        set_at("variance.proposed_scales", {MODULE: -1.0}),
        [f"variance.proposed_scales.{MODULE}"],
        "greater than 0",
    ),
    "factor of 1": (
        set_at("variance.proposal.taps.0.factor", 1.0),
        ["variance.proposal.taps[0].factor"],
        "1 is no factor",
    ),
    "one window n times": (
        both(set_at(f"{A}.window_ids", ["w0"] * 6), set_at(f"{B}.window_ids", ["w0"] * 6)),
        [f"{A}.window_ids", f"{A}.window_ids"],
        "more than once",
    ),
    "no window": (
        both(
            set_at(f"{A}.window_ids", []),
            set_at(f"{B}.window_ids", []),
            set_at("variance.ab_test.windows_used", 0),
            set_at(f"{GATE}.windows", 0),
        ),
        [f"{A}.window_ids"],
        "0 windows",
    ),
    "b ran another model": (
        set_at(f"{B}.model_digest", "b" * 64),
        [f"{B}.model_digest"],
        "under the proposed",
    ),
    "no resolved policy": (leave_out("resolved_policy"), ["resolved_policy.variance"], "null"),
    "knob not resolved": (
        leave_out(f"{RESOLVED}.max_adjusted_modules"),
        [f"{RESOLVED}.max_adjusted_modules"],
        "missing",
    ),
    "not finite": (set_at(f"{GATE}.mean_delta", float("nan")), [f"{GATE}.mean_delta"], "finite"),
    "null entry": (set_at("variance", None), ["variance"], "null"),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_each_defect_is_named_where_it_is(name: str) -> None:
    change, where, what = MUTATIONS[name]
    report = evaluation_report(GAIN)
    change(report)
    assert places(report) == where
    assert any(what in problem.message for problem in check_enablement(report))


def test_other_factors_than_were_proposed_break_the_proposal_and_the_fingerprint() -> None:
    report = evaluation_report(GAIN)
    report["variance"]["proposed_scales"][MODULE] = 1.2
    assert places(report) == [f"{B}.{name}" for name in ("target_fingerprint", "model_digest")] + [
        "variance.proposed_scales"
    ]


def test_a_key_that_the_entry_does_not_know_is_a_problem() -> None:
    report = evaluation_report(GAIN)
    report["variance"]["enable"] = True
    [problem] = check_enablement(report)
    assert (dotted(problem.path), problem.message) == (
        "variance.enable",
        "unknown key; did you mean enabled?",
    )


def test_a_target_that_was_not_considered_is_off_target() -> None:
    report = evaluation_report(GAIN)
    del report["variance"]["proposal"]["taps"][0]
    assert places(report) == ["variance.proposed_scales", "variance.target_modules[0]"]


def test_an_enablement_of_nothing_is_a_problem() -> None:
    report = evaluation_report(GAIN)
    report["variance"] |= {"target_modules": [], "proposed_scales": {}}
    assert "variance.proposed_scales" in places(report)
    assert any(problem.message == "enabled without a scale" for problem in check_enablement(report))


def test_a_policy_is_held_to_the_digests_that_the_report_has() -> None:
    provenance = run_report(GAIN)["policy_provenance"]
    report = evaluation_report(GAIN) | {"policy_provenance": provenance}
    assert check_enablement(report) == ()
    report["resolved_policy"]["variance"]["max_calib"] = 300
    digests = [f"policy_provenance.{name}" for name in ("policy_sha256", "policy_digest")]
    assert places(report) == digests
    del provenance["policy_sha256"]
    assert places(report) == digests[1:]


def test_targets_of_a_report_that_names_the_edit() -> None:
    edit = {"plan": {"modules": ["model.layers.0.mlp.up_proj"]}}
    assert places(evaluation_report(GAIN) | {"edit": edit}) == ["variance.target_modules[1]"]
