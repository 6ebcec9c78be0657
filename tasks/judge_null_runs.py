"""Task: judge the null runs of one seed, a tier each, from kept measurements."""

from __future__ import annotations

from invarlock.calibration.null_plan import NullSweepPlan
from invarlock.measure.records import LossRecord, VariantMeasurement
from invarlock.reports.judge_null_run import judge_null_run
from invarlock.store.documents import Reference, References
from tasks.caching import cached_task
from tasks.resources import documents, read_record


@cached_task(
    name="judge null runs",
    run_name="judge seed {seed}",
    key=("run_key", "model", "seed", "baseline", "subject", "baseline_losses", "losses"),
)
def judge_null_runs(
    plan: Reference,
    run_key: str,
    model: str,
    seed: int,
    *,
    baseline: Reference,
    subject: Reference,
    baseline_losses: Reference,
    losses: Reference,
) -> References:
    """The report of each cell of ``seed``, by its folder in the results."""
    settled = read_record(plan, NullSweepPlan)
    return References(
        items={
            cell.folder: documents().put(
                judge_null_run(
                    settled,
                    cell,
                    read_record(baseline, VariantMeasurement),
                    read_record(subject, VariantMeasurement),
                    read_record(baseline_losses, LossRecord).losses,
                    read_record(losses, LossRecord).losses,
                )
            )
            for cell in settled.cells_of(model, seed)
        }
    )
