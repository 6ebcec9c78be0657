"""Task: judge one cell (model, tier, seed) from kept measurements, into its run report."""

from __future__ import annotations

from invarlock.calibration.null_plan import Cell, NullSweepPlan
from invarlock.measure.records import LossRecord, VariantMeasurement
from invarlock.reports.judge_run import judge_run
from invarlock.store.documents import Reference
from tasks.caching import cached_task
from tasks.resources import documents, read_record


@cached_task(
    name="judge cell",
    run_name="judge {cell.tier.value} seed {cell.seed}",
    key=("run_key", "cell", "baseline", "subject", "baseline_losses", "losses"),
)
def judge_cell(
    plan: Reference,
    run_key: str,
    cell: Cell,
    *,
    baseline: Reference,
    subject: Reference,
    baseline_losses: Reference,
    losses: Reference,
) -> Reference:
    """The run report of ``cell``."""
    return documents().put(
        judge_run(
            read_record(plan, NullSweepPlan),
            cell,
            read_record(baseline, VariantMeasurement),
            read_record(subject, VariantMeasurement),
            read_record(baseline_losses, LossRecord).losses,
            read_record(losses, LossRecord).losses,
        )
    )
