"""Both runs of an evaluation: a plan and what was measured in, two run reports out. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from invarlock.data.schedule import Schedule
from invarlock.digests import digest_of
from invarlock.edits.names import CHECKPOINT, NOOP
from invarlock.errors import MeasurementError
from invarlock.evaluation.evaluation_plan import EvaluationPlan, MetricChoice
from invarlock.evaluation.measured import ArmMeasured, Measured
from invarlock.measure.arm_records import Failure, Part
from invarlock.measure.records import ModelIdentity, WindowHits, WindowLoss
from invarlock.metrics.perplexity import PerplexityMetric, perplexity_metric
from invarlock.reports.evaluation_guards import judge_guards
from invarlock.reports.evaluation_run import EvaluationRun, EvaluationTerms, HitsBlock, Role
from invarlock.reports.planned_evidence import require_planned
from invarlock.reports.run_report import EditBlock, ModelBlock, WindowsBlock
from invarlock.reports.run_source import RunSource, edit_block, on_windows

TIMINGS = "measurements are shared between evaluations; the evaluation report has the times"


@dataclass(frozen=True)
class Runs:
    """The two run reports of an evaluation."""

    baseline: EvaluationRun
    subject: EvaluationRun


def judge_runs(plan: EvaluationPlan, measured: Measured) -> Runs:
    """Judge both models by the plan's policy against the baseline's measurements; the baseline against itself.

    A part that was not measured leaves its guard blocked and its metrics None, with the failure beside them.
    Raises DataError for measurements that are not those of the plan, and what :func:`judge_guards` raises.
    """
    require_planned(plan, measured)
    terms = _terms(plan, measured)
    baseline, subject = (_judge(plan, terms, measured, role) for role in (Role.BASELINE, Role.SUBJECT))
    return Runs(baseline=baseline, subject=subject)


def _judge(plan: EvaluationPlan, terms: EvaluationTerms, measured: Measured, role: Role) -> EvaluationRun:
    if role is Role.BASELINE:
        model, arm, variance = plan.baseline, measured.baseline, None
    else:
        model, arm, variance = plan.subject, measured.subject, measured.variance
    source = _source(plan, model)
    windows = _windows(arm.losses, plan.schedule)
    metrics, overflown = _metrics(model.metric, windows, _windows(measured.baseline.losses, plan.schedule))
    return EvaluationRun(
        role=role,
        terms=terms,
        meta=source.meta,
        model=_model_block(plan, model, arm),
        data=source.data(
            preview=len(windows.preview) if windows else 0,
            final=len(windows.final) if windows else 0,
            calibration=len(variance.subject.losses) if variance else 0,
        ),
        edit=edit_block(arm.variant) if arm.variant else _edit_asked(plan, role),
        guards=judge_guards(plan, measured.baseline, arm, variance),
        metrics=metrics,
        windows=windows,
        hits=_hits(arm.hits, plan.schedule) if plan.metric is MetricChoice.ACCURACY and windows else None,
        failures=arm.failures + overflown,
        resolved_policy=plan.policy.policy,
        policy_provenance=plan.policy.provenance,
        timings_reason=TIMINGS,
        artifacts={},
    )


def _terms(plan: EvaluationPlan, measured: Measured) -> EvaluationTerms:
    return EvaluationTerms(
        run_key=plan.run_key,
        inputs={source.name: source.sha256 for source in plan.inputs},
        metric=plan.metric,
        assurance=plan.assurance,
        replicates=plan.replicates,
        predictable_tokens=plan.predictable_tokens,
        windows_available=plan.windows.available,
        baseline_id=plan.baseline.reference,
        estimator_contract=plan.contract.digest16,
        measured_sha256=digest_of(measured),
    )


def _source(plan: EvaluationPlan, model: ModelIdentity) -> RunSource:
    return RunSource(
        model=model.reference,
        profile=plan.profile,
        arithmetic=plan.arithmetic,
        dataset=plan.dataset,
        tokenizer_hash=plan.windows.tokenizer_hash,
        schedule=plan.schedule,
        policy=plan.policy,
        code=plan.code,
    )


def _model_block(plan: EvaluationPlan, model: ModelIdentity, arm: ArmMeasured) -> ModelBlock:
    """Of weights that could not be measured, the digest of the checkpoint that they are in or were made from."""
    if arm.variant is None:
        return ModelBlock(id=model.reference, digest=model.digest, baseline_digest=plan.baseline.digest)
    return ModelBlock(
        id=model.reference,
        digest=arm.variant.weights.model_digest,
        baseline_digest=arm.variant.baseline_digest,
    )


def _edit_asked(plan: EvaluationPlan, role: Role) -> EditBlock:
    """Where nothing is known of the weights: what was to be done to them."""
    if role is Role.BASELINE:
        return EditBlock(name=NOOP, plan={}, digest=NOOP, deltas={}, errors={})
    if plan.edit is None:
        return EditBlock(name=CHECKPOINT, plan={}, digest=plan.subject.digest, deltas={}, errors={})
    planned = {**plan.edit.plan, "modules": list(plan.edit.modules)}
    return EditBlock(name=plan.edit.name, plan=planned, digest=plan.edit.digest, deltas={}, errors={})


def _windows(losses: Sequence[WindowLoss], schedule: Schedule) -> WindowsBlock | None:
    if not losses:
        return None
    return WindowsBlock(
        preview=on_windows(losses, schedule.preview), final=on_windows(losses, schedule.final)
    )


def _hits(hits: Sequence[WindowHits], schedule: Schedule) -> HitsBlock:
    return HitsBlock(preview=on_windows(hits, schedule.preview), final=on_windows(hits, schedule.final))


def _metrics(
    kind: str, windows: WindowsBlock | None, baseline: WindowsBlock | None
) -> tuple[PerplexityMetric | None, tuple[Failure, ...]]:
    """None without losses on either side, and for a perplexity beyond a float, which is a failure of its own."""
    if windows is None or baseline is None:
        return None, ()
    try:
        return perplexity_metric(kind, windows.preview, windows.final, baseline.final), ()
    except MeasurementError as error:
        return None, (Failure(part=Part.LOSSES, what=error.what, where=error.where),)
