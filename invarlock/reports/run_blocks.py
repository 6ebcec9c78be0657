"""The blocks that every run's report begins with: who, which model, which data, which edit."""

from __future__ import annotations

from invarlock.calibration.sweep_plan import Cell, M, SweepPlan
from invarlock.measure.records import VariantMeasurement
from invarlock.reports.run_report import DataBlock, EditBlock, ModelBlock, RunMeta

DETERMINISM = "estimates are seeded; a window's loss does not depend on the windows beside it"


def run_meta(plan: SweepPlan[M], cell: Cell) -> RunMeta:
    """Who made the run of ``cell``, with what."""
    return RunMeta(
        tier=cell.tier.value,
        profile=plan.profile,
        seed=cell.seed,
        model_id=plan.model_of(cell.model).identity.reference,
        dtype=plan.arithmetic.dtype.value,
        device=plan.arithmetic.device,
        code=plan.code,
        determinism=DETERMINISM,
    )


def model_block(
    plan: SweepPlan[M], cell: Cell, baseline: VariantMeasurement, subject: VariantMeasurement
) -> ModelBlock:
    """The two models of a run by digest."""
    return ModelBlock(
        id=plan.model_of(cell.model).identity.reference,
        digest=subject.weights.model_digest,
        baseline_digest=baseline.weights.model_digest,
    )


def data_block(
    plan: SweepPlan[M], cell: Cell, *, preview: int = 0, final: int = 0, calibration: int = 0
) -> DataBlock:
    """Where the windows of ``cell`` came from; preview, final, calibration: how many of each the run looked at."""
    schedule, model = plan.schedule_of(cell), plan.model_of(cell.model)
    floor = plan.policies[cell.tier].policy.metrics.sampling.min_windows
    return DataBlock(
        provider=schedule.provider,
        seq_len=plan.config.dataset.seq_len,
        stride=plan.config.dataset.seq_len,
        dataset_hash=schedule.dataset_hash,
        tokenizer_hash=model.windows.tokenizer_hash,
        schedule_digest=schedule.digest,
        preview_windows=preview,
        final_windows=final,
        calibration_windows=calibration,
        window_floor=floor,
        underpowered=min(preview, final) < floor if preview or final else None,
    )


def edit_block(subject: VariantMeasurement) -> EditBlock:
    """What was done to the weights, and how many matrices it changed."""
    changed = sum(drift.relative_change > 0 for drift in subject.drift.values())
    return EditBlock(
        name=subject.edit.name,
        plan=subject.edit.plan,
        digest=subject.edit.digest,
        deltas={"matrices": len(subject.weights.modules), "matrices_changed": changed},
        errors=subject.errors,
    )
