from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from invarlock.guards.variance import judge_variance
from invarlock.guards.variance_metrics import target_fingerprint
from invarlock.policy.schema import TierPolicy
from invarlock.policy.variance import VariancePolicy
from invarlock.problems import dotted
from invarlock.reports.enablement import check_enablement
from tests.guards.variance_arms import predictive_test, propose, tap

GAIN = [-0.020, -0.024, -0.018, -0.022, -0.021, -0.019]
POLICY = VariancePolicy(max_adjusted_modules=2, min_effect_lognll=0.016)
MODULE = tap(0).module

Json = dict[str, Any]


def evaluation_report(deltas: list[float], alphas: dict[int, float] | None = None, **policy: object) -> Json:
    """The blocks that the lint reads, as JSON."""
    variance = VariancePolicy(**(dict(POLICY) | policy))
    proposal = propose(alphas or {0: 1.05, 1: 0.95, 2: 1.0}, **dict(variance))
    entry = judge_variance(proposal, predictive_test(deltas), variance)
    return {
        "variance": json.loads(entry.metrics.model_dump_json()),
        "resolved_policy": TierPolicy(variance=variance).model_dump(mode="json"),
    }


def run_report(deltas: list[float]) -> Json:
    blocks = evaluation_report(deltas)
    entry = {"name": "variance", "metrics": blocks["variance"]}
    other = {"name": "spectral", "metrics": {}}
    return {"guards": [other, entry], "resolved_policy": blocks["resolved_policy"]}


def places(report: Json) -> list[str]:
    return [dotted(problem.path) for problem in check_enablement(report)]


def test_what_the_guard_enables_is_in_order() -> None:
    report = evaluation_report(GAIN)
    assert report["variance"]["enabled"]
    assert check_enablement(report) == ()
    assert check_enablement(run_report(GAIN)) == ()


@pytest.mark.parametrize("deltas", [[0.01, -0.01, 0.02], [-d for d in GAIN], [0.001 * d for d in GAIN], []])
def test_what_the_guard_leaves_off_is_in_order(deltas: list[float]) -> None:
    report = evaluation_report(deltas)
    assert not report["variance"]["enabled"]
    assert check_enablement(report) == ()


def test_an_unedited_model_is_in_order() -> None:
    assert check_enablement(evaluation_report(GAIN, {0: 1.0})) == ()


def test_a_run_report_names_the_guards_place() -> None:
    report = run_report(GAIN)
    report["guards"][1]["metrics"]["predictive_gate"]["passed"] = False
    assert places(report) == ["guards[1].metrics.predictive_gate.passed"]


@pytest.mark.parametrize(("block", "off"), [(0, False), (9, True)])
def test_targets_lie_in_blocks_that_the_edit_changed(block: int, off: bool) -> None:
    edited = [f"model.layers.{block}.mlp.up_proj", "model.layers.1.mlp.down_proj"]
    report = run_report(GAIN) | {"edit": {"plan": {"modules": edited}}}
    assert places(report) == (["guards[1].metrics.target_modules[0]"] if off else [])


def test_a_run_without_the_guard_enables_nothing() -> None:
    assert check_enablement({"guards": [{"name": "spectral"}]}) == ()


@pytest.mark.parametrize("report", [{}, {"guards": None}, {"guards": {"name": "variance"}}])
def test_what_is_no_report_is_a_problem(report: Json) -> None:
    [problem] = check_enablement(report)
    assert "no run report or evaluation report" in problem.message


def parent_of(report: Json, path: str) -> tuple[Json, str]:
    *parents, last = path.split(".")
    for name in parents:
        report = report[name]
    assert last in report
    return report, last


def set_at(path: str, value: object) -> Callable[[Json], None]:
    def change(report: Json) -> None:
        parent, last = parent_of(report, path)
        parent[last] = value

    return change


def leave_out(path: str) -> Callable[[Json], None]:
    def change(report: Json) -> None:
        parent, last = parent_of(report, path)
        del parent[last]

    return change


def interval(lower: float, upper: float, mean: float) -> Callable[[Json], None]:
    def change(report: Json) -> None:
        gate = report["variance"]["predictive_gate"]
        gate |= {"delta_ci": [lower, upper], "gain_ci": [-upper, -lower], "mean_delta": mean}

    return change


def both(*changes: Callable[[Json], None]) -> Callable[[Json], None]:
    def change(report: Json) -> None:
        for each in changes:
            each(report)

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
    "mean misses the threshold": (
        interval(-0.03, -0.017, -0.01),
        [f"{GATE}.delta_ci"],
        "at min_effect_lognll 0.016",
    ),
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
    "another target": (set_at(f"{RESOLVED}.target", "unit"), ["variance.target"], "has unit"),
    "not passed": (set_at(f"{GATE}.passed", False), [f"{GATE}.passed"], "enabled is true"),
    "passed but off": (
        set_at("variance.enabled", False),
        [f"{GATE}.passed", f"{GATE}.reason"],
        "enabled is false",
    ),
    "another reason": (set_at(f"{GATE}.reason", "no_scales"), [f"{GATE}.reason"], "no_scales, but enabled"),
    "not evaluated": (set_at(f"{GATE}.evaluated", False), [f"{GATE}.evaluated"], "without an interval"),
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
        ["variance.proposed_scales"],
        "2 modules, max_adjusted_modules is 1",
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
    assert places(report) == [f"{B}.target_fingerprint", "variance.proposed_scales"]


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
