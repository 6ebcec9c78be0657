"""One cell of a sweep: kept measurements and a policy in, the run's report out. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from invarlock.calibration.null_plan import Cell, NullSweepPlan, PlannedModel
from invarlock.data.schedule import Schedule
from invarlock.guards.invariants import judge_invariants
from invarlock.guards.spectral import judge_spectral
from invarlock.measure.records import VariantMeasurement, WindowLoss
from invarlock.metrics.perplexity import perplexity_metric
from invarlock.reports.run_report import (
    DataBlock,
    EditBlock,
    ModelBlock,
    RunMeta,
    RunReport,
    WindowsBlock,
)

DETERMINISM = "estimates are seeded; a window's loss does not depend on the windows beside it"


def judge_run(
    plan: NullSweepPlan,
    cell: Cell,
    baseline: VariantMeasurement,
    subject: VariantMeasurement,
    baseline_losses: Sequence[WindowLoss],
    losses: Sequence[WindowLoss],
) -> RunReport:
    """Judge a cell by its tier's policy. Losses hold at least the windows of the cell's schedule."""
    model = plan.model_of(cell)
    schedule = model.windows.schedules[cell.seed]
    policy = plan.policies[cell.tier]
    ours, theirs = _by_window(losses), _by_window(baseline_losses)
    windows = WindowsBlock(
        preview=tuple(ours[window] for window in schedule.preview),
        final=tuple(ours[window] for window in schedule.final),
    )
    return RunReport(
        meta=RunMeta(
            tier=cell.tier.value,
            profile=plan.profile,
            seed=cell.seed,
            model_id=model.identity.reference,
            dtype=plan.arithmetic.dtype.value,
            device=plan.arithmetic.device,
            code=plan.code,
            determinism=DETERMINISM,
        ),
        model=ModelBlock(
            id=model.identity.reference,
            digest=subject.weights.model_digest,
            baseline_digest=baseline.weights.model_digest,
        ),
        data=_data_block(plan, model, schedule, policy.policy.metrics.sampling.min_windows),
        edit=EditBlock(
            name=subject.edit.name,
            plan=subject.edit.plan,
            digest=subject.edit.digest,
            deltas=_deltas(subject),
        ),
        guards=(
            judge_invariants(baseline.invariants, subject.invariants),
            judge_spectral(baseline.weights, subject.weights, policy.policy.spectral, subject.drift),
        ),
        metrics=perplexity_metric(
            model.identity.metric,
            windows.preview,
            windows.final,
            [theirs[window] for window in schedule.final],
        ),
        windows=windows,
        resolved_policy=policy.policy,
        policy_provenance=policy.provenance,
        artifacts={},
    )


def _data_block(plan: NullSweepPlan, model: PlannedModel, schedule: Schedule, floor: int) -> DataBlock:
    return DataBlock(
        provider=schedule.provider,
        seq_len=plan.config.dataset.seq_len,
        stride=plan.config.dataset.seq_len,
        dataset_hash=schedule.dataset_hash,
        tokenizer_hash=model.windows.tokenizer_hash,
        schedule_digest=schedule.digest,
        preview_windows=len(schedule.preview),
        final_windows=len(schedule.final),
        window_floor=floor,
        underpowered=min(len(schedule.preview), len(schedule.final)) < floor,
    )


def _by_window(losses: Sequence[WindowLoss]) -> Mapping[str, WindowLoss]:
    return {loss.window_id: loss for loss in losses}


def _deltas(subject: VariantMeasurement) -> Mapping[str, int]:
    changed = sum(drift.relative_change > 0 for drift in subject.drift.values())
    return {"matrices": len(subject.weights.modules), "matrices_changed": changed}
