"""What a person is told of a real evaluation, and of the same with other losses and policies."""

from __future__ import annotations

import pytest

from invarlock.evaluation.evaluation_plan import Assurance
from invarlock.evaluation.measured import Evidence
from invarlock.families import Family
from invarlock.gates.support import GateStatus
from invarlock.measure.arm_records import Part
from invarlock.policy.metrics import RatioGate, TailGate, TailMode
from invarlock.policy.resolution import resolve_policy
from invarlock.policy.rmt import RmtPolicy
from invarlock.policy.schema import SpectralPolicy, TierPolicy
from invarlock.policy.tree import flatten
from invarlock.reports.evaluation_report import EvaluationReport, Outcome
from invarlock.reports.explain import explain
from invarlock.reports.explanation import Comparison, Explanation, GateExplanation, Relation
from tests.reports.changed_evidence import ENOUGH, everywhere, under, with_deltas, with_hits, without
from tests.reports.evaluations import report_of

RATIO = ENOUGH.pm_ratio


def gate(told: Explanation, flag: str) -> GateExplanation:
    [found] = [each for each in told.gates if each.flag == flag]
    return found


def row(explained: GateExplanation, what: str) -> Comparison:
    [found] = [each for each in explained.comparisons if each.what == what]
    return found


def explained(evidence: Evidence, flag: str) -> GateExplanation:
    return gate(explain(report_of(evidence)), flag)


def test_every_flag_is_explained_with_its_value(quantized: Evidence) -> None:
    report = report_of(quantized)
    told = explain(report)
    flags = report.validation.model_dump(exclude={"hysteresis_applied"})
    assert {each.flag: each.acceptable for each in told.gates if each.flag != "spike"} == flags
    assert [each.title for each in told.gates if each.flag == "primary_metric_tail_acceptable"] == [
        "Primary Metric Tail (ΔlogNLL)"
    ]
    assert all(each.finding.endswith(".") for each in told.gates)
    assert told.policy.digest == report.policy_digest.thresholds_hash
    assert (told.baseline.digest, told.subject.digest) == (
        report.baseline_ref.digest,
        report.subject_ref.digest,
    )


def test_a_report_that_was_read_says_the_same(quantized: Evidence) -> None:
    report = report_of(quantized)
    again = EvaluationReport.model_validate_json(report.model_dump_json())
    assert explain(again) == explain(report)


def test_every_policy_value_of_a_gate_has_its_layer(quantized: Evidence) -> None:
    guards = TierPolicy(spectral=SpectralPolicy(max_caps=7))
    policy = resolve_policy("balanced", profile="release", edit="quant_rtn", guards=guards)
    told = explain(report_of(quantized.model_copy(update={"plan": _with_policy(quantized, policy)})))
    settings = {
        each.path: each for each in (*(s for g in told.gates for s in g.settings), *told.variance.settings)
    }
    sections = ("metrics.pm_ratio", "metrics.pm_tail", "metrics.sampling", "spectral", "rmt", "variance")
    leaves = flatten(policy.policy.model_dump(mode="json"))
    assert settings.keys() == {path for path in leaves if path.startswith(tuple(f"{s}." for s in sections))}
    assert {path: settings[path].value for path in settings} == {path: leaves[path] for path in settings}
    assert settings["spectral.max_caps"].set_by == "config"
    assert settings["rmt.deadband"].set_by == "edit:quant_rtn"
    assert settings["variance.max_calib"].set_by == "profile:release"
    assert settings["rmt.margin"].set_by == "tiers.yaml"
    assert settings["metrics.sampling.min_windows"].set_by == "built-in"
    assert [path for path in settings if settings[path].overridden] == [
        "spectral.max_caps",
        "rmt.deadband",
        "variance.max_calib",
    ]


def _with_policy(evidence: Evidence, policy: object) -> object:
    return evidence.plan.model_copy(update={"policy": policy})


def test_an_unedited_model_holds(unedited: Evidence) -> None:
    told = explain(report_of(under(unedited)))
    assert told.outcome is Outcome.PASS
    assert told.headline == "Every gate holds."
    ratio = row(gate(told, "primary_metric_acceptable"), "ratio to the baseline")
    assert (ratio.value, ratio.limit, ratio.holds) == (1.0, 1.1 + 0.002, True)
    assert "Not tried" in told.variance.finding
    assert any("invarlock report verify" in step for step in told.next_steps)


def test_a_ratio_above_its_limit(unedited: Evidence) -> None:
    told = explain(report_of(everywhere(under(unedited), 0.3)))  # exp(0.3) = 1.34986
    failed = gate(told, "primary_metric_acceptable")
    assert not failed.acceptable
    assert failed.status is GateStatus.ENFORCED
    assert failed.finding == (
        "The perplexity is 1.3499 times the baseline's, above the limit 1.102 (1.1 and hysteresis 0.002)."
    )
    assert told.headline == "1 gate of 7 failed: Primary Metric (perplexity)."
    assert any("gentler edit" in step for step in told.next_steps)


def test_an_interval_above_the_limit(unedited: Evidence) -> None:
    deltas = [0.0, 0.0, 0.0, 0.0, 0.15, 0.15, 0.15, 0.15]  # mean 0.075, a ratio of 1.078
    told = explain(report_of(with_deltas(under(unedited), deltas, deltas)))
    failed = gate(told, "primary_metric_acceptable")
    assert not failed.acceptable
    assert failed.finding.startswith(
        "The perplexity is 1.0779 times the baseline's, but its interval reaches 1.1"
    )
    upper = row(failed, "upper end of its interval")
    assert row(failed, "ratio to the baseline").holds
    assert not upper.holds
    assert any("--profile release" in step for step in told.next_steps)


def test_within_the_limit_by_hysteresis_alone(unedited: Evidence) -> None:
    found = explained(everywhere(under(unedited), 0.0962), "primary_metric_acceptable")  # exp = 1.10098
    assert found.acceptable
    assert "within the limit by hysteresis alone" in found.finding


def test_a_value_just_above_its_limit_is_told_apart_from_it(unedited: Evidence) -> None:
    limits = ENOUGH.model_copy(update={"pm_ratio": RATIO.model_copy(update={"hysteresis_ratio": 0.0})})
    found = explained(everywhere(under(unedited, limits), 0.0953101808), "primary_metric_acceptable")
    ratio = row(found, "ratio to the baseline")
    assert not ratio.holds
    assert ratio.value_text > "1.1"
    assert ratio.rule_text == "at most 1.1"


def test_too_few_tokens_decide_nothing_unless_assurance_is_strict(
    unedited: Evidence, quantized: Evidence
) -> None:
    few = ENOUGH.model_copy(update={"pm_ratio": RatioGate()})
    weak = explain(report_of(everywhere(under(quantized, few), 0.3)))
    found = gate(weak, "primary_metric_acceptable")
    assert (found.status, found.acceptable) == (GateStatus.UNDERPOWERED, True)
    assert "496 tokens, fewer than the floor of 50,000, so it decides nothing" in found.finding
    assert not row(found, "evidence, tokens").holds
    assert any("evaluate more windows" in step for step in weak.next_steps)

    strict = explain(report_of(under(unedited, few, assurance=Assurance.STRICT)))
    assert strict.outcome is Outcome.FAIL
    assert strict.headline == (
        "Every gate holds, but strict assurance does not accept too little evidence: primary metric."
    )
    assert "strict assurance does not accept" in gate(strict, "primary_metric_acceptable").finding


def test_accuracy(unedited: Evidence) -> None:
    hits = [20] * 16
    found = explained(with_hits(under(unedited), hits, [*hits[:15], 10]), "primary_metric_acceptable")
    points = row(found, "change of accuracy, points")
    assert points.value == pytest.approx(-100 * 10 / (8 * 31))  # of 8 final windows of 31 predicted tokens
    assert points.relation is Relation.AT_LEAST
    assert "below the limit" in found.finding
    assert not found.acceptable
    assert {each.section for each in found.settings} == {"metrics.accuracy", "metrics.sampling"}


@pytest.mark.parametrize(
    ("mode", "acceptable", "status", "words"),
    [
        (TailMode.FAIL, False, GateStatus.ENFORCED, "this fails"),
        (TailMode.WARN, True, GateStatus.RECORDED, "this is recorded and fails nothing"),
        (TailMode.OFF, True, GateStatus.OFF, "Not looked for"),
    ],
)
def test_tail(unedited: Evidence, mode: TailMode, acceptable: bool, status: GateStatus, words: str) -> None:
    metrics = ENOUGH.model_copy(update={"pm_tail": TailGate(min_windows=8, mode=mode)})
    one_window = [0.0] * 7 + [0.7]
    found = explained(
        with_deltas(under(unedited, metrics), [0.0] * 8, one_window), "primary_metric_tail_acceptable"
    )
    assert (found.acceptable, found.status) == (acceptable, status)
    assert words in found.finding
    # Linear quantile of eight: 0.95 x 7 = 6.65, between the seventh value (0) and the eighth (0.7).
    assert row(found, "0.95 quantile of ΔlogNLL").value == pytest.approx(0.65 * 0.7)


def test_drift_outside_its_band(unedited: Evidence) -> None:
    found = explained(with_deltas(under(unedited), [0.0] * 8, [0.08] * 8), "preview_final_drift_acceptable")
    assert not found.acceptable
    assert "outside the band" in found.finding
    assert row(found, "drift over the baseline's").rule_text == "within 0.95 to 1.05"


def test_a_drift_on_too_little_is_told_apart(unedited: Evidence) -> None:
    found = explained(with_deltas(unedited, [0.0] * 8, [0.08] * 8), "preview_final_drift_acceptable")
    assert (found.acceptable, found.status) == (True, GateStatus.UNDERPOWERED)
    assert "outside the band. It rests on what the primary metric rests on" in found.finding
    assert not row(found, "drift over the baseline's").holds
    undefined = explained(with_hits(under(unedited), [0] * 16, [1] * 16), "preview_final_drift_acceptable")
    assert "undefined for the baseline" in undefined.finding
    assert (undefined.acceptable, undefined.comparisons) == (False, ())


def test_a_spike_aborts(unedited: Evidence) -> None:
    told = explain(report_of(everywhere(under(unedited), 1.0)))
    assert told.outcome is Outcome.ABORTED
    spike = gate(told, "spike")
    assert not spike.acceptable
    assert spike.finding.startswith("The mean loss changed by 1 nats per token, a perplexity ratio of 2.7183")
    assert any("Do not use this subject" in step for step in told.next_steps)


def test_spectral_names_families_caps_and_modules(quantized: Evidence) -> None:
    tight = SpectralPolicy(family_caps={"ffn": 0.1, "attn": 9.0, "embed": 9.0, "other": 9.0}, max_caps=1)
    policy = resolve_policy("balanced", guards=TierPolicy(spectral=tight))
    report = report_of(quantized.model_copy(update={"plan": _with_policy(quantized, policy)}))
    found = gate(explain(report), "spectral_stable")
    z = {
        module.name: abs(module.z)
        for module in report.spectral.modules  # type: ignore[union-attr]
        if module.family == "ffn"
    }
    worst = max(z, key=lambda name: z[name])
    largest = row(found, "ffn: largest |z|")
    assert (largest.value, largest.limit, largest.holds) == (z[worst], 0.1, False)
    beyond = sum(value > 0.1 for value in z.values())
    assert largest.note.startswith(f"{worst}; {beyond} of {len(z)} above, ")
    budget = row(found, "warnings (caps_applied)")
    assert budget.limit == 1
    assert budget.holds is not (budget.value > 1)
    assert row(found, "attn: largest |z|").holds


def test_rmt_names_bands(quantized: Evidence) -> None:
    report = report_of(quantized)
    found = gate(explain(report), "rmt_stable")
    for family, edge in report.rmt.families.items():  # type: ignore[union-attr]
        shown = row(found, f"{family.value}: edge risk")
        assert (shown.value, shown.limit) == (edge.edge_cur, edge.edge_base * 1.01)
        assert f"ratio {edge.ratio:.5g}" in shown.note


@pytest.mark.parametrize(
    ("part", "flags"),
    [
        (Part.WEIGHTS, {"spectral_stable"}),
        (Part.EDGES, {"rmt_stable"}),
        (
            Part.LOSSES,
            {"primary_metric_acceptable", "primary_metric_tail_acceptable", "preview_final_drift_acceptable"},
        ),
    ],
)
def test_what_was_not_measured_is_not_judged(quantized: Evidence, part: Part, flags: set[str]) -> None:
    told = explain(report_of(without(quantized, part)))
    assert told.outcome is Outcome.ABORTED
    unjudged = {each.flag for each in told.gates if not each.judged}
    assert unjudged - {"spike"} == flags
    assert not any(each.acceptable for each in told.gates if each.flag in flags)
    assert all(each.finding.startswith("Not judged") for each in told.gates if each.flag in flags)


def test_variance_is_information(quantized: Evidence) -> None:
    report = report_of(quantized)
    told = explain(report)
    assert "variance" not in {each.flag for each in told.gates}
    words = "Worth enabling" if report.variance.enabled else "Not worth enabling"  # type: ignore[union-attr]
    assert told.variance.finding.startswith(words)


def test_what_was_not_measured_is_said_once(quantized: Evidence) -> None:
    for part in Part:
        told = explain(report_of(without(quantized, part)))
        assert sum("it gives infinity" in reason for reason in told.reasons) == 1
        for each in told.gates:
            assert sum("it gives infinity" in text for text in (each.finding, *each.notes)) <= 1
        assert told.headline.startswith("No verdict: what these rest on could not be measured: ")


def test_bands_that_were_left_are_one_short_reason(quantized: Evidence) -> None:
    shut = TierPolicy(rmt=RmtPolicy(epsilon_by_family=dict.fromkeys(Family, 0.0), epsilon_default=0.0))
    policy = resolve_policy("balanced", guards=shut)
    report = report_of(quantized.model_copy(update={"plan": _with_policy(quantized, policy)}))
    told = explain(report)
    beyond = report.rmt.epsilon_violations  # type: ignore[union-attr]
    assert beyond
    [reason] = [each for each in told.reasons if each.startswith("RMT: ")]
    found = gate(told, "rmt_stable")
    for family in beyond:
        edge = row(found, f"{family.value}: edge risk")
        assert f"{family.value} {edge.value_text} > {edge.rule_text.removeprefix('at most ')}" in reason
    assert not any("is above" in note for note in found.notes)  # its comparisons show it
    worst = [each.module for each in report.rmt.violations if each.type == "edge_epsilon"]
    assert any(all(name in step for name in worst) for step in told.next_steps)
    everything = " ".join([*told.reasons, *(each.finding for each in told.gates), *told.next_steps])
    assert everything.count("how far activations stand out from noise") == 1


def test_a_spike_is_told_as_damage(unedited: Evidence) -> None:
    told = explain(report_of(everywhere(under(unedited), 1.0)))
    assert told.headline == "The subject is damaged: nothing else about it is worth judging."
