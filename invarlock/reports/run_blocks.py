"""The blocks that every run's report of a sweep begins with: who, which model, which data, which edit."""

from __future__ import annotations

from invarlock.calibration.sweep_plan import Cell, M, SweepPlan
from invarlock.measure.records import VariantMeasurement
from invarlock.reports.run_report import DataBlock, ModelBlock, RunMeta
from invarlock.reports.run_source import RunSource, edit_block

__all__ = ["data_block", "edit_block", "model_block", "run_meta"]


def run_meta(plan: SweepPlan[M], cell: Cell) -> RunMeta:
    """Who made the run of ``cell``, with what."""
    return _source(plan, cell).meta


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
    return _source(plan, cell).data(preview=preview, final=final, calibration=calibration)


def _source(plan: SweepPlan[M], cell: Cell) -> RunSource:
    model = plan.model_of(cell.model)
    return RunSource(
        model=model.identity.reference,
        profile=plan.profile,
        arithmetic=plan.arithmetic,
        dataset=plan.config.dataset,
        tokenizer_hash=model.windows.tokenizer_hash,
        schedule=plan.schedule_of(cell),
        policy=plan.policies[cell.tier],
        code=plan.code,
    )
