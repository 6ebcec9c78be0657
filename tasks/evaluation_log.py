"""An evaluation in MLflow: one run, found again by its key, with the report, its hashes and both models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from invarlock.evaluation.evaluation_plan import EvaluationPlan
from invarlock.measure.records import ModelIdentity
from invarlock.reports.evaluation_report import EvaluationReport
from invarlock.reports.sweep_results import sweep_files
from tasks.tracking import Tracker
from tasks.tracking_records import DatasetUse, ModelUse, RunHandle

EXPERIMENT = "invarlock evaluation"


@contextmanager
def evaluation_logged(tracker: Tracker, plan: EvaluationPlan) -> Iterator[RunHandle]:
    """The run of ``plan``; marked FAILED when the block does not end well."""
    name = f"evaluate {_short(plan.subject)} against {_short(plan.baseline)} {plan.tier.value} {plan.profile}"
    tags = {
        "invarlock.kind": plan.kind,
        "invarlock.model_digest": plan.subject.digest,
        "invarlock.baseline_digest": plan.baseline.digest,
    }
    run = tracker.sweep_run(plan.run_key, name, _params(plan), tags)
    with tracker.failing(run):
        for model in (plan.baseline, plan.subject):
            tracker.log_inputs(run, _dataset(plan), _model(model))
        yield run


def finish_evaluation(tracker: Tracker, run: RunHandle, report: EvaluationReport, out: Path) -> RunHandle:
    """Log what was found and the files in ``out``, and end the run."""
    verdict = report.verdict
    tags = {
        "invarlock.outcome": verdict.outcome.value,
        "invarlock.failed": " ".join(verdict.failed),
        "invarlock.underpowered": " ".join(verdict.underpowered),
    }
    params = {"outcome": verdict.outcome.value, "measured_sha256": report.provenance.measured_sha256}
    tracker.log(run, params=params, tags=tags, metrics=_metrics(report))
    return tracker.finish(run, sweep_files(out))


def _params(plan: EvaluationPlan) -> dict[str, str]:
    return {
        "kind": plan.kind,
        "run_key": plan.run_key,
        "profile": plan.profile,
        "tier": plan.tier.value,
        "assurance": plan.assurance.value,
        "metric": plan.metric.value,
        "seed": str(plan.schedule.seed),
        "edit": plan.edit.name if plan.edit else "none",
        "policy_sha256": plan.policy.sha256,
        "baseline_digest": plan.baseline.digest,
        "subject_digest": plan.subject.digest,
        "dataset_hash": plan.windows.dataset_hash,
        "schedule_digest": plan.schedule.digest,
        "estimator_contract": plan.contract.digest16,
        "code_sha256": plan.code.sha256,
    }


def _metrics(report: EvaluationReport) -> Mapping[str, float]:
    flags = {name: float(value) for name, value in report.validation.model_dump().items()}
    metric = report.primary_metric
    if metric is None:
        return flags
    found = {"preview": metric.preview, "final": metric.final, "display_ci_upper": metric.display_ci[1]}
    if metric.ratio_vs_baseline is not None:
        found["ratio_vs_baseline"] = metric.ratio_vs_baseline
    return flags | found


def _dataset(plan: EvaluationPlan) -> DatasetUse:
    return DatasetUse(
        name=plan.dataset.provider.value,
        digest=plan.windows.dataset_hash,
        source={"provider": plan.dataset.provider.value, "split": plan.dataset.chosen_split},
        profile={"windows": plan.windows.available, "seq_len": plan.dataset.seq_len},
        role="evaluation",
    )


def _model(model: ModelIdentity) -> ModelUse:
    return ModelUse(name=_short(model), digest=model.digest, source=model.reference, kind=model.model_type)


def _short(model: ModelIdentity) -> str:
    return model.reference.rstrip("/").rpartition("/")[2]
