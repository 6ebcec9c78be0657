"""A sweep in MLflow: one parent run, one child a cell, found again by key, patch or digest.

What takes a tracker is called in the process that has it (:mod:`tasks.tracking_process`), where MLflow is imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from invarlock.calibration.sweep_plan import Cell, M, PlannedModel, SweepPlan
from invarlock.digests import sha256_file
from invarlock.errors import StoreError
from invarlock.reports.run_report import RunRecord
from invarlock.reports.sweep_report import CalibrationReport
from invarlock.store.documents import Reference, read_document
from tasks.tracking_records import CellRun, DatasetUse, ModelUse, RunHandle

if TYPE_CHECKING:
    from tasks.tracking import Tracker

EXPERIMENT = "invarlock calibration"


@dataclass(frozen=True)
class Entry:
    """What a kind of sweep says of a run beside what all say. kind: such as ``null-sweep``; about: for its name."""

    kind: str
    about: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)


def begin_sweep(tracker: Tracker, plan: SweepPlan[M], entry: Entry) -> RunHandle:
    """The parent run of ``plan``, linked to its models and its text; FAILED when that cannot be done."""
    models = "+".join(model.label for model in plan.models)
    name = f"{entry.kind} {models} {entry.about} {plan.profile} {len(plan.tiers)}x{len(plan.seeds)}"
    tags = {
        "invarlock.kind": entry.kind,
        "invarlock.model_digest": " ".join(model.identity.digest for model in plan.models),
    }
    run = tracker.sweep_run(plan.run_key, name, _sweep_params(plan) | dict(entry.params), tags)
    with tracker.failing(run):
        log_inputs(tracker, run, plan)
    return run


def log_cell(tracker: Tracker, parent: RunHandle, cell: CellRun) -> None:
    """Log ``cell`` as a complete run below ``parent``; one that is complete already is left as it is."""
    from tasks.tracking_cells import cell_runs  # late: imports MLflow

    cell_runs(tracker, parent).log(cell)


def log_inputs(tracker: Tracker, run: RunHandle, plan: SweepPlan[M]) -> None:
    """Link ``run`` to every model of ``plan`` and its text."""
    for model in plan.models:
        tracker.log_inputs(run, _dataset(plan, model), _model(model))


def cell_run(
    plan: SweepPlan[M], cell: Cell, reference: Reference, report: RunRecord, entry: Entry
) -> CellRun:
    """What a child run shows: the report, its hashes, metrics and inputs."""
    model = plan.model_of(cell.model)
    return CellRun(
        key=cell.folder,
        name=cell.folder.removeprefix("runs/"),
        dataset=_dataset(plan, model),
        model=_model(model),
        files={"report.json": read_document(reference)},
        params=_cell_params(cell, reference, report) | dict(entry.params),
        metrics=entry.metrics,
        tags={
            "invarlock.kind": entry.kind,
            "invarlock.model_digest": report.model.digest,
            "invarlock.schedule_digest": report.data.schedule_digest,
        },
    )


def finish_sweep(
    tracker: Tracker,
    run: RunHandle,
    report: CalibrationReport,
    patch: Path | None,
    metrics: Mapping[str, float],
    files: Mapping[str, Path],
) -> RunHandle:
    """Log the sweep's own files and end the parent run."""
    tracker.log(run, tags={"invarlock.report_content_sha256": report.content_sha256}, metrics=metrics)
    if patch is not None:
        _log_patch(tracker, run, sha256_file(patch))
    return tracker.finish(run, files)


def _log_patch(tracker: Tracker, run: RunHandle, patch_sha256: str) -> None:
    recorded = tracker.param(run, "patch_sha256")
    if recorded not in (None, patch_sha256):
        raise StoreError(
            f"MLflow holds another patch of this sweep ({recorded}) than was made now ({patch_sha256})",
            where=f"run {run.run_id}",
            fix="something that the run key does not cover has changed; compare the two, and report it",
        )
    tags = {"invarlock.patch_sha256": patch_sha256}
    tracker.log(run, params={"patch_sha256": patch_sha256}, tags=tags)


def _sweep_params(plan: SweepPlan[M]) -> dict[str, str]:
    return {
        "kind": plan.kind,
        "run_key": plan.run_key,
        "basis": plan.config.basis.value,
        "profile": plan.profile,
        "tiers": " ".join(tier.value for tier in plan.tiers),
        "seeds": " ".join(map(str, plan.seeds)),
        "safety_margin": repr(plan.safety_margin),
        "config_sha256": plan.config_input.sha256,
        "tiers_sha256": plan.tiers_input.sha256,
        "code_sha256": plan.code.sha256,
        "estimator_contract": plan.contract.digest16,
        **{f"model_digest.{model.label}": model.identity.digest for model in plan.models},
        **{f"dataset_hash.{model.label}": model.windows.dataset_hash for model in plan.models},
    }


def _cell_params(cell: Cell, reference: Reference, report: RunRecord) -> dict[str, str]:
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


def _dataset(plan: SweepPlan[M], model: PlannedModel) -> DatasetUse:
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
