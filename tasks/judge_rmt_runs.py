"""Task: judge the RMT runs of one seed, a tier each, from kept measurements."""

from __future__ import annotations

from invarlock.calibration.rmt_plan import RmtSweepPlan
from invarlock.measure.edge_records import EdgeRiskRecord
from invarlock.measure.records import VariantMeasurement
from invarlock.reports.judge_rmt_run import judge_rmt_run
from invarlock.store.documents import Reference, References
from tasks.caching import cached_task
from tasks.resources import documents, read_record


@cached_task(
    name="judge rmt runs",
    run_name="judge seed {seed}",
    key=("run_key", "model", "seed", "baseline", "subject", "baseline_edges", "edges"),
)
def judge_rmt_runs(
    plan: Reference,
    run_key: str,
    model: str,
    seed: int,
    *,
    baseline: Reference,
    subject: Reference,
    baseline_edges: Reference,
    edges: Reference,
) -> References:
    """The report of each cell of ``seed``, by its folder in the results."""
    settled = read_record(plan, RmtSweepPlan)
    return References(
        items={
            cell.folder: documents().put(
                judge_rmt_run(
                    settled,
                    cell,
                    read_record(baseline, VariantMeasurement),
                    read_record(subject, VariantMeasurement),
                    read_record(baseline_edges, EdgeRiskRecord),
                    read_record(edges, EdgeRiskRecord),
                )
            )
            for cell in settled.cells_of(model, seed)
        }
    )
