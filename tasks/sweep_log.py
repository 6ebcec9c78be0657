"""A null sweep in MLflow: one parent run, one child a cell, found again by key, patch or digest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from invarlock.calibration.null_plan import Cell, NullSweepPlan, PlannedModel
from invarlock.errors import StoreError
from invarlock.reports.null_sweep_report import NullSweepReport
from invarlock.reports.run_report import RunReport
from invarlock.store.documents import Reference, read_document
from tasks.resources import read_record
from tasks.tracking import RunHandle, Tracker
from tasks.tracking_inputs import DatasetUse, ModelUse

EXPERIMENT = "invarlock calibration"


@contextmanager
def sweep_logged(tracker: Tracker, plan: NullSweepPlan) -> Iterator[RunHandle]:
    """The parent run of ``plan``; marked FAILED when the block does not end well."""
    run = tracker.sweep_run(plan.run_key, _sweep_name(plan), _sweep_params(plan), _tags(plan))
    with _failing(tracker, run):
        for model in plan.models:
            tracker.log_inputs(run, _dataset(plan, model), _model(model))
        yield run


def log_cell(
    tracker: Tracker, parent: RunHandle, plan: NullSweepPlan, cell: Cell, reference: Reference
) -> None:
    """One child run with its report, hashes, metrics and inputs."""
    report = read_record(reference, RunReport)
    folder, model = plan.cell_folder(cell), plan.model_of(cell)
    run = tracker.cell_run(
        parent,
        folder,
        folder.removeprefix("runs/"),
        _cell_params(cell, reference, report),
        _cell_tags(report),
    )
    if run.complete:
        return
    with _failing(tracker, run):
        tracker.log(run, metrics=_cell_metrics(report))
        tracker.log_inputs(run, _dataset(plan, model), _model(model))
        tracker.finish(run, {"report.json": read_document(reference)})


def finish_sweep(
    tracker: Tracker, run: RunHandle, report: NullSweepReport, patch_sha256: str, files: Mapping[str, Path]
) -> RunHandle:
    """Log the sweep's own files and end the parent run."""
    tags = {"invarlock.patch_sha256": patch_sha256, "invarlock.report_content_sha256": report.content_sha256}
    metrics = {
        f"{tier}.{name}": value
        for tier, summary in report.summaries.items()
        for name, value in (
            ("any_warning_rate", summary.observed.any_warning_rate),
            ("n_effective", float(summary.evidence.n_effective)),
            *((f"kappa_{f.value}", kappa) for f, kappa in summary.recommendations.family_caps.items()),
        )
    }
    recorded = tracker.param(run, "patch_sha256")
    if recorded not in (None, patch_sha256):
        raise StoreError(
            f"MLflow holds another patch of this sweep ({recorded}) than was made now ({patch_sha256})",
            where=f"run {run.run_id}",
            fix="something that the run key does not cover has changed; compare the two, and report it",
        )
    tracker.log(run, params={"patch_sha256": patch_sha256}, tags=tags, metrics=metrics)
    return tracker.finish(run, files)


@contextmanager
def _failing(tracker: Tracker, run: RunHandle) -> Iterator[None]:
    done = False
    try:
        yield
        done = True
    finally:
        if not done and not run.complete:
            tracker.fail(run)


def _sweep_name(plan: NullSweepPlan) -> str:
    models = "+".join(model.label for model in plan.models)
    return f"null-sweep {models} {plan.null.value} {plan.profile} {len(plan.tiers)}x{len(plan.seeds)}"


def _sweep_params(plan: NullSweepPlan) -> dict[str, str]:
    return {
        "kind": "spectral_null_sweep",
        "run_key": plan.run_key,
        "basis": plan.config.basis.value,
        "profile": plan.profile,
        "null": plan.null.value,
        "cap_rule": plan.cap_rule.value,
        "tiers": " ".join(tier.value for tier in plan.tiers),
        "seeds": " ".join(map(str, plan.seeds)),
        "safety_margin": repr(plan.safety_margin),
        "target_any_warning_rate": repr(plan.target_any_warning_rate),
        "config_sha256": plan.config_input.sha256,
        "tiers_sha256": plan.tiers_input.sha256,
        "code_sha256": plan.code.sha256,
        "estimator_contract": plan.contract.digest16,
        **{f"model_digest.{model.label}": model.identity.digest for model in plan.models},
        **{f"dataset_hash.{model.label}": model.windows.dataset_hash for model in plan.models},
    }


def _tags(plan: NullSweepPlan) -> dict[str, str]:
    return {
        "invarlock.kind": "null-sweep",
        "invarlock.model_digest": " ".join(model.identity.digest for model in plan.models),
    }


def _cell_params(cell: Cell, reference: Reference, report: RunReport) -> dict[str, str]:
    return {
        "tier": cell.tier.value,
        "seed": str(cell.seed),
        "model_digest": report.model.digest,
        "schedule_digest": report.data.schedule_digest,
        "dataset_hash": report.data.dataset_hash,
        "policy_sha256": report.policy_provenance.policy_sha256,
        "edit": report.edit.name,
        "edit_digest": report.edit.digest,
        "report_sha256": reference.sha256,
    }


def _cell_tags(report: RunReport) -> dict[str, str]:
    return {
        "invarlock.kind": "null-run",
        "invarlock.model_digest": report.model.digest,
        "invarlock.schedule_digest": report.data.schedule_digest,
    }


def _cell_metrics(report: RunReport) -> dict[str, float]:
    spectral = report.spectral
    return {
        "caps_applied": float(spectral.caps_applied),
        "preview_perplexity": report.metrics.preview,
        "final_perplexity": report.metrics.final,
        "ratio_vs_baseline": report.metrics.ratio_vs_baseline,
        **{f"max_z_{family.value}": q.max for family, q in spectral.family_z_quantiles.items()},
    }


def _dataset(plan: NullSweepPlan, model: PlannedModel) -> DatasetUse:
    dataset = plan.config.dataset
    return DatasetUse(
        name=dataset.provider.value,
        digest=model.windows.dataset_hash,
        source={"provider": dataset.provider.value, "split": dataset.chosen_split},
        profile={"windows": model.windows.available, "seq_len": dataset.seq_len},
    )


def _model(model: PlannedModel) -> ModelUse:
    return ModelUse(
        name=model.label,
        digest=model.identity.digest,
        source=model.identity.reference,
        kind=model.identity.model_type,
    )
