"""One cell of a null sweep: kept measurements and a policy in, the run's report out. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from invarlock.calibration.null_plan import NullSweepPlan
from invarlock.calibration.sweep_plan import Cell
from invarlock.guards.invariants import judge_invariants
from invarlock.guards.spectral import judge_spectral
from invarlock.measure.records import VariantMeasurement, WindowLoss
from invarlock.metrics.perplexity import perplexity_metric
from invarlock.reports.run_blocks import data_block, edit_block, model_block, run_meta
from invarlock.reports.run_report import RunReport, WindowsBlock
from invarlock.reports.run_source import on_windows


def judge_null_run(
    plan: NullSweepPlan,
    cell: Cell,
    baseline: VariantMeasurement,
    subject: VariantMeasurement,
    baseline_losses: Sequence[WindowLoss],
    losses: Sequence[WindowLoss],
) -> RunReport:
    """Judge a cell by its tier's policy. Losses hold at least the windows of the cell's schedule."""
    schedule, policy = plan.schedule_of(cell), plan.policies[cell.tier]
    windows = WindowsBlock(
        preview=on_windows(losses, schedule.preview), final=on_windows(losses, schedule.final)
    )
    return RunReport(
        meta=run_meta(plan, cell),
        model=model_block(plan, cell, baseline, subject),
        data=data_block(plan, cell, preview=len(schedule.preview), final=len(schedule.final)),
        edit=edit_block(subject),
        guards=(
            judge_invariants(baseline.invariants, subject.invariants),
            judge_spectral(baseline.weights, subject.weights, policy.policy.spectral, subject.drift),
        ),
        metrics=perplexity_metric(
            plan.model_of(cell.model).identity.metric,
            windows.preview,
            windows.final,
            on_windows(baseline_losses, schedule.final),
        ),
        windows=windows,
        resolved_policy=policy.policy,
        policy_provenance=policy.provenance,
        artifacts={},
    )
