"""Two run reports of one evaluation in, the evaluation report out: every gate again from what they hold. Pure."""

from __future__ import annotations

from invarlock.digests import digest_of
from invarlock.errors import DataError, ModelError
from invarlock.policy.resolution import PolicyProvenance
from invarlock.reports.evaluation_report import (
    DatasetSection,
    EvaluationReport,
    ModelRef,
    PolicyDigest,
    Provenance,
    WindowsSection,
)
from invarlock.reports.evaluation_run import EvaluationRun, Role
from invarlock.reports.evaluation_verdict import decide, validate
from invarlock.reports.guard_sections import guard_sections
from invarlock.reports.loss_comparison import compare_losses

_OF_DATA = ("provider", "seq_len", "dataset_hash", "tokenizer_hash", "schedule_digest")


def compare_runs(baseline: EvaluationRun, subject: EvaluationRun) -> EvaluationReport:
    """The report of ``subject`` against ``baseline``, without its volatile block.

    Raises DataError when the two are not runs of one evaluation or their windows do not pair, ModelError when the
    subject was judged against another baseline.
    """
    require_one_evaluation(baseline, subject)
    losses, guards = compare_losses(baseline, subject), guard_sections(subject.guards)
    validation = validate(losses, guards)
    return EvaluationReport(
        run_id=subject.terms.run_key,
        meta=subject.meta,
        baseline_ref=_model_ref(baseline),
        subject_ref=_model_ref(subject),
        edit=subject.edit,
        terms=subject.terms,
        primary_metric=losses.primary_metric,
        primary_metric_gate=losses.gate,
        primary_metric_tail=losses.tail,
        preview_final_drift=losses.drift,
        spike=losses.spike,
        dataset=DatasetSection(**dict(subject.data), windows=WindowsSection(stats=losses.windows)),
        invariants=guards.invariants,
        spectral=guards.spectral,
        rmt=guards.rmt,
        variance=guards.variance,
        resolved_policy=subject.resolved_policy,
        policy_provenance=subject.policy_provenance,
        policy_digest=_policy_digest(subject.policy_provenance),
        provenance=_provenance(subject),
        validation=validation,
        verdict=decide(baseline, subject, losses, guards, validation),
        volatile=None,
    )


def require_one_evaluation(baseline: EvaluationRun, subject: EvaluationRun) -> None:
    """DataError that names what differs, or ModelError for another baseline, unless both are of one evaluation."""
    for run, role in ((baseline, Role.BASELINE), (subject, Role.SUBJECT)):
        if run.role is not role:
            raise DataError(
                f"the {role.value}'s run is that of a {run.role.value}",
                where="role",
                fix="give each in its place",
            )
    theirs = _shared(baseline)
    for where, ours in _shared(subject).items():
        if ours != theirs[where]:
            raise DataError(
                f"baseline and subject are not runs of one evaluation: they differ in {where}",
                where=where,
                fix="give the two run reports that one evaluation wrote",
            )
    digest = baseline.model.digest
    for run in (baseline, subject):
        if run.model.baseline_digest != digest:
            raise ModelError(
                f"the {run.role.value}'s run was judged against baseline {run.model.baseline_digest[:16]}, this one is "
                f"{digest[:16]}",
                where="model.baseline_digest",
                fix="give the two run reports that one evaluation wrote",
            )


def _shared(run: EvaluationRun) -> dict[str, object]:
    """What both runs of an evaluation have alike, by its path in a run's report."""
    return {
        "terms.run_key": run.terms.run_key,
        "terms": run.terms,
        "resolved_policy": run.resolved_policy,
        "policy_provenance": run.policy_provenance,
        "meta": run.meta.model_copy(update={"model_id": ""}),
        **{f"data.{name}": getattr(run.data, name) for name in _OF_DATA},
    }


def _model_ref(run: EvaluationRun) -> ModelRef:
    return ModelRef(id=run.model.id, digest=run.model.digest, run_sha256=digest_of(run))


def _policy_digest(provenance: PolicyProvenance) -> PolicyDigest:
    return PolicyDigest(thresholds_hash=provenance.policy_digest, policy_sha256=provenance.policy_sha256)


def _provenance(run: EvaluationRun) -> Provenance:
    return Provenance(
        run_key=run.terms.run_key,
        measured_sha256=run.terms.measured_sha256,
        inputs=run.terms.inputs,
        code_sha256=run.meta.code.sha256,
        estimator_contract=run.terms.estimator_contract,
    )
