"""Both runs of an evaluation, from what was measured of the shipped model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from invarlock.digests import canonical_json, digest_of
from invarlock.errors import DataError, PolicyError
from invarlock.evaluation.evaluation_plan import MetricChoice
from invarlock.evaluation.measured import Evidence
from invarlock.guards.report import GuardReport, Unjudged, Verdict
from invarlock.guards.rmt_metrics import RmtMetrics, RmtStatus
from invarlock.guards.spectral_metrics import SpectralMetrics
from invarlock.guards.variance_metrics import VarianceMetrics
from invarlock.measure.arm_records import Failure, Part
from invarlock.measure.records import WindowLoss
from invarlock.policy.resolution import resolve_policy
from invarlock.policy.schema import Scope, SpectralPolicy, TierPolicy
from invarlock.reports.evaluation_run import EvaluationRun, Role
from invarlock.reports.judge_runs import Runs, judge_runs
from tests.flows.evaluations import Tensors, write_subject
from tests.reports.changed_evidence import everywhere, with_hits, with_subject, without
from tests.reports.evaluations import evaluate_here


def judged(evidence: Evidence) -> Runs:
    return judge_runs(evidence.plan, evidence.measured)


def entry(run: EvaluationRun, name: str) -> GuardReport:
    [found] = [guard for guard in run.guards if guard.name == name]
    return found


def test_z_of_a_baseline_are_its_own_standard_scores(unedited: Evidence, evaluated: Path) -> None:
    tensors = load_file(evaluated / "model" / "model.safetensors")
    spectral = judged(unedited).subject.spectral
    families = {module.family for module in spectral.modules}
    for family in families:
        modules = [module for module in spectral.modules if module.family is family]
        sigma = torch.stack([torch.linalg.svdvals(tensors[f"{m.name}.weight"].double())[0] for m in modules])
        expected = (sigma - sigma.mean()) / sigma.std(correction=0)
        z = torch.tensor([spectral.final_z_scores[module.name] for module in modules], dtype=torch.float64)
        torch.testing.assert_close(z, expected, rtol=1e-3, atol=1e-3)
    assert {"ffn", "attn", "embed"} <= families


def test_a_baseline_judged_as_subject_is_judged_as_baseline(unedited: Evidence) -> None:
    runs = judged(unedited)
    assert (runs.baseline.role, runs.subject.role) == (Role.BASELINE, Role.SUBJECT)
    differing = {"role"}
    assert runs.baseline.model_dump(exclude=differing) == runs.subject.model_dump(exclude=differing)


def test_a_baseline_has_not_moved_from_itself(quantized: Evidence) -> None:
    baseline = judged(quantized).baseline
    assert {(m.log_sigma, m.relative_change, m.edit_edge) for m in baseline.spectral.modules} == {
        (0.0, 0.0, 0.0)
    }
    assert baseline.metrics is not None
    assert baseline.metrics.ratio_vs_baseline == 1.0
    rmt = entry(baseline, "rmt").metrics
    assert isinstance(rmt, RmtMetrics)
    assert {edge.ratio for edge in rmt.modules.values()} == {1.0}
    assert [guard.verdict for guard in baseline.guards] == [Verdict.ALLOW] * 4


def test_a_subject_is_judged_by_its_baselines_statistics(quantized: Evidence) -> None:
    runs = judged(quantized)
    ours, theirs = runs.subject.spectral, runs.baseline.spectral
    assert ours.family_stats == theirs.family_stats
    assert ours.final_z_scores != theirs.final_z_scores
    for module in ours.modules:
        family = theirs.family_stats[module.family]
        assert module.z == pytest.approx((module.sigma - family.mean) / family.std)
    changed = sum(module.relative_change != 0 for module in ours.modules)
    assert changed == runs.subject.edit.deltas["matrices_changed"] > 0
    assert runs.subject.edit.name == "quant_rtn"
    assert runs.baseline.edit.name == "noop"


def test_metrics_of_a_subject_are_those_of_its_losses(quantized: Evidence) -> None:
    run = judged(quantized).subject
    baseline = {loss.window_id: loss for loss in quantized.measured.baseline.losses}
    subject = {loss.window_id: loss for loss in quantized.measured.subject.losses}
    final = quantized.plan.schedule.final
    ours, theirs = (np.array([arm[name].nll for name in final]) for arm in (subject, baseline))
    tokens = np.array([subject[name].tokens for name in final])
    assert run.metrics is not None
    assert run.metrics.final == pytest.approx(np.exp(ours.sum() / tokens.sum()), rel=1e-12)
    assert run.metrics.ratio_vs_baseline == pytest.approx(
        np.exp((ours.sum() - theirs.sum()) / tokens.sum()), rel=1e-9
    )
    assert run.windows is not None
    assert tuple(loss.window_id for loss in run.windows.final) == final
    assert tuple(loss.window_id for loss in run.windows.preview) == quantized.plan.schedule.preview


def test_the_variance_entry_is_tested_on_both_arms(quantized: Evidence) -> None:
    metrics = entry(judged(quantized).subject, "variance").metrics
    assert isinstance(metrics, VarianceMetrics)
    assert quantized.measured.variance is not None
    assert metrics.predictive_gate.evaluated
    equalized = quantized.measured.variance.equalized
    assert equalized is not None
    assert metrics.proposed_scales == equalized.scales.factors
    ours, theirs = quantized.measured.variance.subject.losses, quantized.measured.variance.baseline.losses
    tokens = sum(loss.tokens for loss in ours)
    cost = (sum(loss.nll for loss in ours) - sum(loss.nll for loss in theirs)) / tokens
    assert metrics.edit_cost == pytest.approx(cost, rel=1e-9)
    gain = (sum(loss.nll for loss in equalized.losses) - sum(loss.nll for loss in ours)) / tokens
    assert metrics.predictive_gate.mean_delta == pytest.approx(gain, rel=1e-9)
    assert metrics.ab_test.windows_used == quantized.plan.policy.policy.variance.calibration_windows


def test_scales_of_another_proposal_are_no_arm(quantized: Evidence) -> None:
    variance = quantized.measured.variance
    assert variance is not None
    assert variance.equalized is not None
    [(module, factor)] = variance.equalized.scales.factors.items()
    scales = variance.equalized.scales.model_copy(update={"factors": {module: 2 * factor}})
    other = variance.model_copy(
        update={"equalized": variance.equalized.model_copy(update={"scales": scales})}
    )
    measured = quantized.measured.model_copy(update={"variance": other})
    with pytest.raises(DataError, match="same windows"):
        judge_runs(quantized.plan, measured)


@pytest.mark.parametrize(
    ("changes", "said"), [({"taps": ()}, "not asked for"), ({}, "no matrix moved in a branch")]
)
def test_equalization_that_was_not_tried_decides_nothing(
    unedited: Evidence, changes: dict[str, object], said: str
) -> None:
    plan = unedited.plan.model_copy(update=changes)
    found = entry(judge_runs(plan, unedited.measured).subject, "variance")
    assert isinstance(found.metrics, Unjudged)
    assert said in found.metrics.reason
    assert (found.verdict, found.passed, found.violations) == (Verdict.ALLOW, True, ())


def test_weights_that_were_not_measured_block_their_guard_alone(quantized: Evidence) -> None:
    run = judged(without(quantized, Part.WEIGHTS)).subject
    spectral = entry(run, "spectral")
    assert isinstance(spectral.metrics, Unjudged)
    assert spectral.metrics.reason == "weights of the subject: it gives infinity (transformer.h.2)"
    assert spectral.verdict is Verdict.BLOCK
    assert spectral.policy == quantized.plan.policy.policy.spectral.model_dump(mode="json")
    assert entry(run, "invariants").passed
    assert entry(run, "variance").passed
    assert isinstance(entry(run, "rmt").metrics, RmtMetrics)
    assert run.edit.name == "quant_rtn"
    assert run.edit.plan["modules"]
    assert run.model.digest == quantized.plan.subject.digest


def test_edges_that_were_not_measured_block_the_rmt_guard(unedited: Evidence) -> None:
    lost = without(unedited, Part.EDGES)
    other = Failure(part=Part.LOSSES, what="something else", where=None)
    both = with_subject(lost, failures=(other, *lost.measured.subject.failures))
    rmt = entry(judged(both).subject, "rmt")
    assert isinstance(rmt.metrics, RmtMetrics)
    assert rmt.metrics.status is RmtStatus.UNMEASURED
    assert rmt.violations[0].message == "edges of the subject: it gives infinity (transformer.h.2)"


def test_losses_that_were_not_measured_leave_no_metrics(unedited: Evidence) -> None:
    run = judged(without(unedited, Part.LOSSES)).subject
    assert (run.metrics, run.windows) == (None, None)
    assert run.data.preview_windows == run.data.final_windows == 0
    assert run.data.underpowered is None
    assert [failure.part for failure in run.failures] == [Part.LOSSES]


def test_a_baseline_without_losses_leaves_the_subject_its_own(unedited: Evidence) -> None:
    bare = without(unedited, Part.LOSSES).measured.subject
    measured = unedited.measured.model_copy(update={"baseline": bare})
    runs = judge_runs(unedited.plan, measured)
    assert runs.baseline.windows is None
    assert runs.subject.windows is not None
    assert runs.subject.metrics is None


def test_a_perplexity_beyond_every_float_is_a_failure(unedited: Evidence) -> None:
    run = judged(everywhere(unedited, 1e4)).subject
    assert run.metrics is None
    assert run.windows is not None
    [failure] = run.failures
    assert "not a finite number" in failure.what


def test_a_subject_with_a_nan_is_reported_not_run(unedited: Evidence, evaluated: Path) -> None:
    name = "transformer.h.1.mlp.c_fc"

    def broken(tensors: Tensors) -> Tensors:
        tensors[f"{name}.weight"][3, 5] = float("nan")
        return tensors

    subject = write_subject(evaluated, "nan", broken)
    run = judged(evaluate_here(evaluated, subject=str(subject))).subject
    assert {failure.part for failure in run.failures} == set(Part)
    assert name in entry(run, "invariants").violations[0].message
    assert [guard.passed for guard in run.guards] == [False, False, False, True]
    assert run.edit.name == "checkpoint"
    assert run.metrics is None


def test_modules_that_do_not_pair_block_the_spectral_guard(unedited: Evidence) -> None:
    variant = unedited.measured.subject.variant
    assert variant is not None
    weights = variant.weights.model_copy(update={"modules": variant.weights.modules[1:]})
    lost = with_subject(unedited, variant=variant.model_copy(update={"weights": weights}))
    spectral = entry(judged(lost).subject, "spectral")
    assert variant.weights.modules[0].name in spectral.violations[0].message
    assert not spectral.passed


def test_a_policy_that_does_not_fit_is_an_error(unedited: Evidence) -> None:
    policy = resolve_policy("balanced", guards=TierPolicy(spectral=SpectralPolicy(scope=Scope.OTHER)))
    with pytest.raises(PolicyError, match="scope"):
        judge_runs(unedited.plan.model_copy(update={"policy": policy}), unedited.measured)


def test_windows_that_are_not_the_schedules_are_named(unedited: Evidence) -> None:
    losses = unedited.measured.subject.losses
    other = WindowLoss(window_id="f" * 16, nll=1.0, tokens=31)
    with pytest.raises(DataError, match="1 of 8 windows") as caught:
        judged(with_subject(unedited, losses=(*losses[:-1], other)))
    assert losses[-1].window_id in str(caught.value)


def test_hits_are_kept_where_the_metric_is_accuracy(unedited: Evidence) -> None:
    scored = with_hits(unedited, [3] * 16, [2] * 16)
    run = judged(scored).subject
    assert run.hits is not None
    assert [each.hits for each in run.hits.final] == [2] * 8
    assert run.terms.metric is MetricChoice.ACCURACY
    assert judged(unedited).subject.hits is None


def test_a_run_says_what_it_was_made_from(quantized: Evidence) -> None:
    plan, runs = quantized.plan, judged(quantized)
    for run in (runs.baseline, runs.subject):
        assert run.terms.run_key == plan.run_key
        assert run.terms.windows_available == plan.windows.available
        assert run.terms.predictable_tokens == plan.predictable_tokens
        assert run.terms.inputs == {source.name: source.sha256 for source in plan.inputs}
        assert run.terms.measured_sha256 == digest_of(quantized.measured)
        assert run.model.baseline_digest == plan.baseline.digest
        assert run.data.schedule_digest == plan.schedule.digest
        assert run.data.underpowered
        assert run.meta.seed == plan.schedule.seed
        assert run.policy_provenance.policy_sha256 == plan.policy.sha256
    assert runs.subject.data.calibration_windows == 8
    assert runs.baseline.data.calibration_windows == 0
    assert runs.subject.model.digest != runs.baseline.model.digest == plan.baseline.digest


def test_seed_001s_query_finds_the_z_scores(unedited: Evidence) -> None:
    document = json.loads(canonical_json(judged(unedited).baseline))
    [guard] = [each for each in document["guards"] if each["name"] == "spectral"]
    found = guard.get("final_z_scores") or guard.get("extras", {}).get("final_z_scores")
    found = found or guard["metrics"]["top_z_scores"]
    assert {family: len(scores) for family, scores in found.items()} == {"ffn": 5, "attn": 5, "embed": 2}
    assert len(guard["metrics"]["final_z_scores"]) == guard["metrics"]["modules_checked"]


def test_runs_survive_their_json_and_are_made_alike_every_time(quantized: Evidence) -> None:
    first, second = judged(quantized), judged(quantized)
    for run, again in ((first.baseline, second.baseline), (first.subject, second.subject)):
        assert canonical_json(run) == canonical_json(again)
        assert EvaluationRun.model_validate_json(run.model_dump_json()) == run
        assert EvaluationRun.model_validate_json(canonical_json(run)) == run
    assert isinstance(first.subject.guards[1].metrics, SpectralMetrics)
