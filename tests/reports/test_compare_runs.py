"""The evaluation report from two runs: each gate where it turns, the verdict, and what does not belong together."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import numpy as np
import pytest
from pydantic import ValidationError

from invarlock.digests import canonical_json, digest_of
from invarlock.errors import DataError, InvarlockError, ModelError
from invarlock.evaluation.evaluation_plan import Assurance
from invarlock.evaluation.measured import Evidence
from invarlock.families import Family
from invarlock.gates.support import GateStatus
from invarlock.guards.report import Severity, Verdict, Violation
from invarlock.measure.arm_records import Part
from invarlock.policy.metrics import MetricsPolicy, TailGate, TailMode
from invarlock.policy.resolution import resolve_policy
from invarlock.policy.schema import MultipleTesting, SpectralPolicy, TierPolicy
from invarlock.reports.compare_runs import compare_runs
from invarlock.reports.evaluation_report import EvaluationReport, Outcome, Validation
from invarlock.reports.evaluation_run import EvaluationRun, Role
from invarlock.reports.evaluation_sections import (
    RmtSection,
    SpectralSection,
    UnjudgedSection,
    VarianceSection,
)
from invarlock.reports.judge_runs import judge_runs
from tests.reports.changed_evidence import (
    ENOUGH,
    everywhere,
    under,
    with_deltas,
    with_hits,
    with_subject,
    without,
)

ALIKE = [0.0] * 8  # a change of the loss on each of 8 windows


def compared(evidence: Evidence) -> EvaluationReport:
    runs = judge_runs(evidence.plan, evidence.measured)
    return compare_runs(runs.baseline, runs.subject)


def failing(report: EvaluationReport) -> tuple[str, ...]:
    return tuple(name for name in Validation.model_fields if name in report.verdict.failed)


def test_a_baseline_against_itself_passes(unedited: Evidence) -> None:
    report = compared(unedited)
    flags = report.validation.model_dump()
    assert flags == dict.fromkeys(flags, True) | {"hysteresis_applied": False}
    assert (report.verdict.outcome, report.verdict.exit_code) == (Outcome.PASS, 0)
    assert report.verdict.failed == ()
    metric = report.primary_metric
    assert metric is not None
    assert metric.kind == "ppl_causal"
    assert (metric.ratio_vs_baseline, metric.display_ci) == (1.0, (1.0, 1.0))
    assert (metric.preview, metric.final) == (metric.baseline_preview, metric.baseline_final)
    assert report.preview_final_drift is not None
    assert report.preview_final_drift.relative_drift == 1.0


def test_a_3_bit_subject_fails_and_says_where(quantized: Evidence) -> None:
    report = compared(quantized)
    assert (report.verdict.outcome, report.verdict.exit_code) == (Outcome.FAIL, 1)
    assert not report.validation.rmt_stable
    assert "rmt_stable" in report.verdict.failed
    assert isinstance(report.rmt, RmtSection)
    for family in report.rmt.epsilon_violations:
        edge = report.rmt.families[family]
        assert edge.edge_cur > 1.01 * edge.edge_base
        assert any(
            f"{family.value} {edge.edge_cur:.5g} > {edge.allowed:.5g}" in reason
            for reason in report.verdict.reasons
        )


def test_the_primary_metric_is_that_of_the_losses(quantized: Evidence) -> None:
    report = compared(quantized)
    final = quantized.plan.schedule.final
    ours, theirs = (
        {loss.window_id: loss for loss in arm.losses}
        for arm in (quantized.measured.subject, quantized.measured.baseline)
    )
    deltas = [ours[name].nll / ours[name].tokens - theirs[name].nll / theirs[name].tokens for name in final]
    metric, tail = report.primary_metric, report.primary_metric_tail
    assert metric is not None
    assert metric.ratio_vs_baseline == pytest.approx(math.exp(np.mean(deltas)), rel=1e-12)  # equal tokens
    assert metric.display_ci[0] < metric.ratio_vs_baseline < metric.display_ci[1]
    drawn = metric.interval.replicates, metric.interval.seed
    assert drawn == (quantized.plan.replicates, quantized.plan.schedule.seed)
    assert tail is not None
    assert tail.stats.quantile_value == pytest.approx(np.quantile(deltas, 0.95), abs=1e-12)
    assert report.primary_metric_gate is not None
    assert report.primary_metric_gate.evidence.seen == 16 * 31
    assert report.primary_metric_gate.evidence.available == quantized.plan.predictable_tokens


@pytest.mark.parametrize(
    ("ratio", "acceptable", "hysteresis"),
    [(1.0999, True, False), (1.1001, True, True), (1.1019, True, True), (1.1021, False, False)],
)
def test_the_ratio_turns_at_the_limit_and_its_slack(
    unedited: Evidence, ratio: float, acceptable: bool, hysteresis: bool
) -> None:
    report = compared(under(everywhere(unedited, math.log(ratio))))
    assert report.validation.primary_metric_acceptable is acceptable
    assert report.validation.hysteresis_applied is hysteresis
    assert failing(report) == (() if acceptable else ("primary_metric_acceptable",))
    assert report.verdict.exit_code == (0 if acceptable else 1)
    if not acceptable:
        assert report.verdict.reasons == (
            "The perplexity is 1.1021 times the baseline's; at most 1.102 is allowed.",
        )


def test_the_interval_counts(unedited: Evidence) -> None:
    mean = math.log(1.08)
    spread = [mean + 0.1, mean - 0.1] * 4
    report = compared(under(with_deltas(unedited, spread, spread)))
    assert report.primary_metric is not None
    assert report.primary_metric.ratio_vs_baseline == pytest.approx(1.08)
    assert report.primary_metric.display_ci[1] > 1.102
    assert not report.validation.primary_metric_acceptable
    [reason] = report.verdict.reasons
    assert "1.08 times the baseline's, but its interval reaches 1.1" in reason


def test_the_reason_has_the_ratio_that_is_too_large(unedited: Evidence) -> None:
    mean = math.log(1.2)
    spread = [mean + 0.1, mean - 0.1] * 4
    [reason] = compared(under(with_deltas(unedited, spread, spread))).verdict.reasons
    assert reason == "The perplexity is 1.2 times the baseline's; at most 1.102 is allowed."


@pytest.mark.parametrize(
    ("delta", "outcome"), [(math.log(2.0) - 1e-6, Outcome.FAIL), (math.log(2.0) + 1e-6, Outcome.ABORTED)]
)
def test_a_perplexity_more_than_doubled_is_a_spike(
    unedited: Evidence, delta: float, outcome: Outcome
) -> None:
    report = compared(under(everywhere(unedited, delta)))
    assert report.spike is not None
    assert report.spike.spiked is (outcome is Outcome.ABORTED)
    assert report.verdict.outcome is outcome
    assert report.verdict.exit_code == {Outcome.FAIL: 1, Outcome.ABORTED: 3}[outcome]


def test_a_spike_aborts_however_little_was_evaluated(unedited: Evidence) -> None:
    report = compared(everywhere(unedited, 1.0))
    assert report.validation.primary_metric_acceptable  # underpowered
    assert report.verdict.exit_code == 3
    assert report.verdict.reasons[0].startswith("The loss rose by 1 nats per token")


def test_a_ruined_model_whose_perplexity_is_no_float_is_a_spike_too(unedited: Evidence) -> None:
    report = compared(under(everywhere(unedited, 1e4)))
    assert report.primary_metric is None
    assert report.spike is not None
    assert report.spike.spiked
    assert report.verdict.exit_code == 3
    assert {"primary_metric_acceptable", "preview_final_drift_acceptable"} <= set(report.verdict.failed)


def test_an_interval_beyond_every_float_is_a_spike_too(unedited: Evidence) -> None:
    worst = [5000.0, *ALIKE[1:]]
    report = compared(under(with_deltas(unedited, ALIKE, worst)))
    assert report.primary_metric is None
    assert report.verdict.exit_code == 3


@pytest.mark.parametrize(
    ("mode", "acceptable"), [(TailMode.FAIL, False), (TailMode.WARN, True), (TailMode.OFF, True)]
)
def test_a_tail_violation_fails_only_in_mode_fail(
    unedited: Evidence, mode: TailMode, acceptable: bool
) -> None:
    metrics = ENOUGH.model_copy(update={"pm_tail": TailGate(mode=mode, min_windows=8, quantile_max=0.2)})
    worst = [*ALIKE[:6], 0.3, 0.3]  # the 0.95 quantile of 8 is 0.3, their mean 0.075
    report = compared(under(with_deltas(unedited, ALIKE, worst), metrics))
    tail = report.primary_metric_tail
    assert tail is not None
    assert tail.stats.quantile_value == pytest.approx(0.3)
    assert bool(tail.violations) is (mode is not TailMode.OFF)
    assert report.validation.primary_metric_tail_acceptable is acceptable
    assert ("primary_metric_tail_acceptable" in report.verdict.failed) is not acceptable
    assert any("quantile" in reason for reason in report.verdict.reasons) is not acceptable


@pytest.mark.parametrize(
    ("drift", "acceptable"), [(1.0499, True), (1.0501, False), (0.9501, True), (0.9499, False)]
)
def test_an_edit_that_harms_final_windows_alone_drifts(
    unedited: Evidence, drift: float, acceptable: bool
) -> None:
    report = compared(under(with_deltas(unedited, ALIKE, [math.log(drift)] * 8)))
    assert report.preview_final_drift is not None
    assert report.preview_final_drift.relative_drift == pytest.approx(drift)
    assert report.validation.preview_final_drift_acceptable is acceptable
    assert report.verdict.failed == (() if acceptable else ("preview_final_drift_acceptable",))
    if not acceptable:
        assert (
            f"{drift:g} times as much as the baseline's; 0.95 to 1.05 is allowed."
            in report.verdict.reasons[0]
        )


@pytest.mark.parametrize(("lost", "acceptable"), [(2, True), (3, False)])  # 1.1 points are 2.7 tokens of 248
def test_the_accuracy_turns_at_its_limit(unedited: Evidence, lost: int, acceptable: bool) -> None:
    baseline, subject = [14] + [15] * 15, [15] * 8 + [15 - lost] + [15] * 7
    report = compared(under(with_hits(unedited, baseline, subject)))
    metric = report.primary_metric
    assert metric is not None
    assert metric.kind == "accuracy"
    assert metric.delta_pp == pytest.approx(-100 * lost / (8 * 31))
    assert metric.ratio_vs_baseline == pytest.approx((120 - lost) / 120)
    assert (metric.preview, metric.baseline_preview) == (120 / 248, 119 / 248)
    drawn = metric.interval.replicates, metric.interval.seed
    assert drawn == (unedited.plan.replicates, unedited.plan.schedule.seed)
    assert report.primary_metric_gate is not None
    evidence = report.primary_metric_gate.evidence
    assert (evidence.seen, evidence.available) == (8, unedited.plan.windows.available)
    assert report.validation.primary_metric_acceptable is acceptable
    assert report.verdict.exit_code == (0 if acceptable else 1)


def test_an_accuracy_of_nothing_has_no_drift(unedited: Evidence) -> None:
    report = compared(under(with_hits(unedited, [15] * 16, [0] * 16)))
    assert report.preview_final_drift is not None
    assert report.preview_final_drift.relative_drift is None
    assert not report.validation.preview_final_drift_acceptable
    assert report.verdict.exit_code == 1
    assert any("no token right" in reason for reason in report.verdict.reasons)


def test_a_baseline_that_hits_nothing_holds_against_itself(unedited: Evidence) -> None:
    report = compared(under(with_hits(unedited, [0] * 16, [0] * 16)))
    assert report.preview_final_drift is not None
    assert (report.preview_final_drift.drift, report.preview_final_drift.relative_drift) == (None, 1.0)
    assert (report.verdict.exit_code, report.verdict.reasons) == (0, ())


def test_a_handful_of_hits_decides_no_drift(unedited: Evidence) -> None:
    """Below the metric's floor; from it on the same counts fail."""
    scored = with_hits(unedited, [1] * 16, [1] * 8 + [2] * 2 + [1] * 6)
    few, enough = compared(under(scored, MetricsPolicy())), compared(under(scored))
    for report, acceptable in ((few, True), (enough, False)):
        drift = report.preview_final_drift
        assert drift is not None
        assert (drift.within, drift.relative_drift) == (False, pytest.approx(1.25))
        assert report.validation.preview_final_drift_acceptable is acceptable
    assert few.preview_final_drift is not None
    assert few.preview_final_drift.status is GateStatus.UNDERPOWERED
    assert few.verdict.exit_code == 0
    assert enough.verdict.failed == ("preview_final_drift_acceptable",)


def test_hits_of_other_windows_do_not_pair(unedited: Evidence) -> None:
    evidence = with_hits(unedited, [15] * 16, [15] * 16)
    runs = judge_runs(evidence.plan, evidence.measured)
    assert runs.subject.hits is not None
    swapped = runs.subject.hits.model_copy(
        update={"preview": runs.subject.hits.final, "final": runs.subject.hits.preview}
    )
    with pytest.raises(DataError, match="pairs subject and baseline"):
        compare_runs(runs.baseline, runs.subject.model_copy(update={"hits": swapped}))


@pytest.mark.parametrize(("assurance", "code"), [(Assurance.OFF, 0), (Assurance.STRICT, 1)])
def test_too_little_evidence_fails_under_strict_assurance_alone(
    unedited: Evidence, assurance: Assurance, code: int
) -> None:
    report = compared(under(unedited, MetricsPolicy(), assurance=assurance))
    assert report.verdict.exit_code == code
    assert report.verdict.failed == ()
    assert report.verdict.underpowered == ("windows", "primary metric")
    assert report.dataset.windows.stats is not None
    assert report.dataset.windows.stats.underpowered
    assert (
        "8 preview and 8 final windows were evaluated, and the tier asks for 180 of each"
        in report.verdict.reasons[0]
    )
    assert "rests on 496 predicted tokens, fewer than 50,000" in report.verdict.reasons[1]


def test_enough_evidence_passes_under_strict_assurance(unedited: Evidence) -> None:
    report = compared(under(unedited, assurance=Assurance.STRICT))
    assert report.verdict.underpowered == ()
    assert report.verdict.reasons == ()
    assert report.verdict.exit_code == 0


@pytest.mark.parametrize(("mode", "code"), [(TailMode.FAIL, 1), (TailMode.WARN, 0)])
def test_a_tail_that_is_only_recorded_needs_no_evidence(
    unedited: Evidence, mode: TailMode, code: int
) -> None:
    metrics = ENOUGH.model_copy(update={"pm_tail": TailGate(mode=mode, min_windows=9)})
    report = compared(under(unedited, metrics, assurance=Assurance.STRICT))
    assert report.primary_metric_tail is not None
    assert report.primary_metric_tail.status is GateStatus.UNDERPOWERED
    assert report.verdict.exit_code == code
    assert report.verdict.underpowered == (("primary metric tail",) if code else ())


@pytest.mark.parametrize(
    ("part", "failed"),
    [
        (Part.WEIGHTS, ("spectral_stable",)),
        (Part.EDGES, ("rmt_stable",)),
        (
            Part.LOSSES,
            (
                "primary_metric_acceptable",
                "primary_metric_tail_acceptable",
                "preview_final_drift_acceptable",
            ),
        ),
    ],
)
def test_a_part_that_was_not_measured_aborts_and_its_flags_are_false(
    unedited: Evidence, part: Part, failed: tuple[str, ...]
) -> None:
    report = compared(under(without(unedited, part)))
    assert report.verdict.exit_code == 3
    assert report.verdict.failed == failed
    assert report.verdict.reasons[0].endswith(
        "of the subject could not be measured: it gives infinity (transformer.h.2)."
    )
    EvaluationReport.model_validate_json(report.model_dump_json())


def test_a_baseline_without_losses_aborts_too(unedited: Evidence) -> None:
    bare = without(unedited, Part.LOSSES).measured.subject
    report = compared(
        unedited.model_copy(update={"measured": unedited.measured.model_copy(update={"baseline": bare})})
    )
    assert report.verdict.exit_code == 3
    assert report.verdict.reasons[0].startswith("The losses of the baseline could not be measured")
    assert report.dataset.windows.stats is None


def test_more_warnings_than_the_budget_fail(unedited: Evidence) -> None:
    spectral = SpectralPolicy(
        family_caps={Family.FFN: 0.01, Family.ATTN: 0.01}, multiple_testing=MultipleTesting(alpha=0.9)
    )
    policy = resolve_policy("balanced", guards=TierPolicy(metrics=ENOUGH, spectral=spectral))
    report = compared(
        unedited.model_copy(update={"plan": unedited.plan.model_copy(update={"policy": policy})})
    )
    assert isinstance(report.spectral, SpectralSection)
    assert report.spectral.caps_applied > 5
    assert report.spectral.summary.caps_exceeded
    assert report.verdict.failed == ("spectral_stable",)
    [reason] = report.verdict.reasons
    assert reason.startswith(f"Weights: {report.spectral.caps_applied} matrices stand beyond the caps")
    assert reason.endswith("the budget is 5.")


def test_a_broken_invariant_fails_and_is_named(unedited: Evidence) -> None:
    snapshot = unedited.measured.subject.invariants
    lost = snapshot.model_copy(update={"norm_layers": snapshot.norm_layers[1:]})
    report = compared(under(with_subject(unedited, invariants=lost)))
    assert report.verdict.failed == ("invariants_pass",)
    assert report.verdict.reasons == (
        f"Invariants are broken: the subject has lost norm layer {snapshot.norm_layers[0]}.",
    )


def test_many_findings_are_counted_not_listed(unedited: Evidence) -> None:
    snapshot = unedited.measured.subject.invariants
    report = compared(
        under(with_subject(unedited, invariants=snapshot.model_copy(update={"norm_layers": ()})))
    )
    assert report.verdict.reasons[0].endswith(f"; and {len(snapshot.norm_layers) - 3} more.")


def test_sections_have_the_names_of_the_seeds(quantized: Evidence) -> None:
    document = json.loads(canonical_json(compared(quantized)))
    spectral, rmt, variance = document["spectral"], document["rmt"], document["variance"]
    assert set(spectral["summary"]) == {"modules_checked", "caps_applied", "max_caps", "caps_exceeded"}
    assert spectral["summary"]["caps_applied"] == spectral["caps_applied"]
    assert spectral["family_caps"]["ffn"] == {"kappa": 3.849}
    assert spectral["families"]["attn"]["kappa"] == 3.018
    assert spectral["multiple_testing"] == {"method": "bh", "alpha": 0.05, "m": 4}
    assert spectral["top_z_scores"]["embed"]
    assert {"status", "stable", "families", "epsilon_by_family", "epsilon_violations"} <= set(rmt)
    assert {"edge_base", "edge_cur", "delta"} <= set(rmt["families"]["ffn"])
    assert {"enabled", "predictive_gate", "ab_test", "scope", "proposed_scales"} <= set(variance)
    assert {"ratio_vs_baseline", "display_ci"} <= set(document["primary_metric"])
    assert {"stats", "policy", "violations"} <= set(document["primary_metric_tail"])
    assert document["dataset"]["windows"]["stats"]["match_fraction"] == 1.0
    assert document["dataset"]["windows"]["stats"]["overlap_fraction"] == 0.0
    assert len(document["policy_digest"]["thresholds_hash"]) == 16


def test_equalization_is_told_and_is_no_gate(unedited: Evidence, quantized: Evidence) -> None:
    assert isinstance(compared(unedited).variance, UnjudgedSection)
    found = compared(quantized).variance
    assert isinstance(found, VarianceSection)
    assert found.verdict is not Verdict.BLOCK


def test_the_report_holds_the_hashes_of_both_runs(quantized: Evidence) -> None:
    named = quantized.plan.subject.model_copy(update={"reference": "a copy"})
    runs = judge_runs(quantized.plan.model_copy(update={"subject": named}), quantized.measured)
    report = compare_runs(runs.baseline, runs.subject)
    assert (report.meta.model_id, report.subject_ref.id, report.edit.name) == (
        "a copy",
        "a copy",
        "quant_rtn",
    )
    assert report.baseline_ref.id == quantized.plan.baseline.reference
    assert report.baseline_ref.run_sha256 == digest_of(runs.baseline)
    assert report.subject_ref.run_sha256 == digest_of(runs.subject)
    assert report.run_id == runs.subject.terms.run_key
    assert report.provenance.measured_sha256 == digest_of(quantized.measured)
    assert report.policy_digest.policy_sha256 == quantized.plan.policy.sha256


def test_reports_survive_their_json_and_are_made_alike_every_time(
    unedited: Evidence, quantized: Evidence
) -> None:
    for evidence in (unedited, quantized):
        report = compared(evidence)
        assert canonical_json(report) == canonical_json(compared(evidence))
        assert EvaluationReport.model_validate_json(report.model_dump_json()) == report
        text = report.model_dump_json()
        assert json.loads(text, parse_constant=pytest.fail) == json.loads(canonical_json(report))


def test_runs_that_were_read_from_their_files_give_the_same_report(quantized: Evidence) -> None:
    runs = judge_runs(quantized.plan, quantized.measured)
    read = [EvaluationRun.model_validate_json(canonical_json(run)) for run in (runs.baseline, runs.subject)]
    assert canonical_json(compare_runs(*read)) == canonical_json(compared(quantized))


def other_key(run: EvaluationRun) -> EvaluationRun:
    return run.model_copy(update={"terms": run.terms.model_copy(update={"run_key": "0" * 64})})


def other_policy(run: EvaluationRun) -> EvaluationRun:
    return run.model_copy(update={"resolved_policy": TierPolicy(spectral=SpectralPolicy(max_caps=99))})


def other_origins(run: EvaluationRun) -> EvaluationRun:
    provenance = run.policy_provenance.model_copy(update={"overrides": ()})
    return run.model_copy(update={"policy_provenance": provenance})


def other_baseline(run: EvaluationRun) -> EvaluationRun:
    return run.model_copy(update={"model": run.model.model_copy(update={"baseline_digest": "0" * 64})})


def other_windows(run: EvaluationRun) -> EvaluationRun:
    assert run.windows is not None
    windows = run.windows.model_copy(update={"final": run.windows.final[::-1]})
    return run.model_copy(update={"windows": windows})


def other_schedule(run: EvaluationRun) -> EvaluationRun:
    return run.model_copy(update={"data": run.data.model_copy(update={"schedule_digest": "0" * 64})})


def other_seed(run: EvaluationRun) -> EvaluationRun:
    return run.model_copy(update={"meta": run.meta.model_copy(update={"seed": 7})})


def other_role(run: EvaluationRun) -> EvaluationRun:
    return run.model_copy(update={"role": Role.BASELINE})


def no_guard(run: EvaluationRun) -> EvaluationRun:
    return run.model_copy(update={"guards": run.guards[:-1]})


@pytest.mark.parametrize(
    ("change", "error", "told"),
    [
        (other_key, DataError, "terms.run_key"),
        (other_policy, DataError, "resolved_policy"),
        (other_origins, DataError, "policy_provenance"),
        (other_baseline, ModelError, "model.baseline_digest"),
        (other_windows, DataError, "must be 1.0"),
        (other_schedule, DataError, "data.schedule_digest"),
        (other_seed, DataError, "meta"),
        (other_role, DataError, "role"),
        (no_guard, DataError, "variance"),
    ],
)
def test_runs_that_do_not_belong_together_are_refused(
    unedited: Evidence,
    change: Callable[[EvaluationRun], EvaluationRun],
    error: type[InvarlockError],
    told: str,
) -> None:
    evidence = under(unedited)  # with overrides
    runs = judge_runs(evidence.plan, evidence.measured)
    with pytest.raises(error) as caught:
        compare_runs(runs.baseline, change(runs.subject))
    assert told in str(caught.value)


def test_a_blocked_guard_is_never_stable(unedited: Evidence) -> None:
    """Whoever writes ``passed`` beside a fatal finding, into the run or past the check of its record, is refused."""
    fatal = Violation(type="edge_epsilon", severity=Severity.FATAL, message="beyond its band")
    forged = {"verdict": Verdict.BLOCK, "passed": True, "violations": (fatal,)}
    runs = judge_runs(unedited.plan, unedited.measured)
    guards = tuple(
        guard.model_copy(update=forged) if guard.name == "rmt" else guard for guard in runs.subject.guards
    )
    run = runs.subject.model_copy(update={"guards": guards})
    with pytest.raises(ValidationError, match="passed is True where the verdict is block"):
        EvaluationRun.model_validate_json(canonical_json(run))
    with pytest.raises(ValidationError, match="passed is True where the verdict is block"):
        compare_runs(runs.baseline, run)
