"""One tier's window plan: kept losses and a policy in, the run's report out. Pure."""

from __future__ import annotations

from invarlock.calibration.sweep_plan import Cell
from invarlock.calibration.window_plan import plan_windows
from invarlock.calibration.window_sizing import WindowSizing
from invarlock.measure.records import LossRecord, VariantMeasurement
from invarlock.metrics.paired_windows import pair_losses
from invarlock.reports.run_blocks import data_block, edit_block, model_block, run_meta
from invarlock.reports.window_run_report import PairWindows, WindowRunReport


def plan_window_run(
    sizing: WindowSizing,
    cell: Cell,
    baseline: VariantMeasurement,
    edited: VariantMeasurement,
    baseline_losses: LossRecord,
    edited_losses: LossRecord,
) -> WindowRunReport:
    """Plan by sidedness and floor of the cell's tier. Raises what ``pair_losses`` and ``plan_windows`` raise."""
    policy = sizing.policies[cell.tier]
    pair = pair_losses(
        edited_losses.losses, baseline_losses.losses, arms=("the edited model", "its baseline")
    )
    plan = plan_windows(
        pair,
        profiles=sizing.profiles,
        available=sizing.model.windows.available,
        one_sided=policy.policy.variance.predictive_one_sided,
        floor=policy.policy.metrics.sampling.min_windows,
        replicates=sizing.replicates[cell.tier],
        seed=cell.seed,
        target=sizing.target_half_width,
        safety_margin=sizing.safety_margin,
    )
    data = data_block(sizing, cell, final=plan.pairs)
    return WindowRunReport(
        meta=run_meta(sizing, cell),
        model=model_block(sizing, cell, baseline, edited),
        data=data.model_copy(update={"underpowered": None}),  # the floor is of a perplexity; none is judged
        edit=edit_block(edited),
        guards=(),
        plan=plan,
        windows=PairWindows(baseline=baseline_losses.losses, edited=edited_losses.losses),
        resolved_policy=policy.policy,
        policy_provenance=policy.provenance,
        artifacts={},
    )
