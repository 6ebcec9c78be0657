"""One cell of an RMT sweep: kept measurements and a policy in, the run's report out. Pure."""

from __future__ import annotations

from invarlock.calibration.rmt_plan import RmtSweepPlan
from invarlock.calibration.rmt_request import RmtNull
from invarlock.calibration.sweep_plan import Cell
from invarlock.guards.invariants import judge_invariants
from invarlock.guards.rmt import judge_redraw, judge_rmt
from invarlock.guards.spectral import judge_spectral
from invarlock.measure.edge_records import EdgeRiskRecord
from invarlock.measure.records import VariantMeasurement
from invarlock.reports.rmt_run_report import EdgeWindows, RmtRunReport
from invarlock.reports.run_blocks import data_block, edit_block, model_block, run_meta
from invarlock.reports.run_report import DataBlock


def judge_rmt_run(
    plan: RmtSweepPlan,
    cell: Cell,
    baseline: VariantMeasurement,
    subject: VariantMeasurement,
    baseline_edges: EdgeRiskRecord,
    edges: EdgeRiskRecord,
) -> RmtRunReport:
    """Judge a cell by its tier's policy. Edge risks are of the plan's two sets of windows for the cell's seed."""
    policy = plan.policies[cell.tier]
    judge = judge_redraw if plan.null is RmtNull.REDRAW else judge_rmt
    return RmtRunReport(
        meta=run_meta(plan, cell),
        model=model_block(plan, cell, baseline, subject),
        data=_data_block(plan, cell),
        edit=edit_block(subject),
        guards=(
            judge_invariants(baseline.invariants, subject.invariants),
            judge_spectral(baseline.weights, subject.weights, policy.policy.spectral, subject.drift),
            judge(baseline_edges, edges, policy.policy.rmt),
        ),
        null=plan.null,
        windows=EdgeWindows(baseline=baseline_edges.losses, current=edges.losses),
        resolved_policy=policy.policy,
        policy_provenance=policy.provenance,
        artifacts={},
    )


def _data_block(plan: RmtSweepPlan, cell: Cell) -> DataBlock:
    schedule = plan.schedule_of(cell)
    sets = plan.sets_of(schedule)
    looked_at = set(sets.baseline + sets.current)
    block = data_block(
        plan,
        cell,
        preview=len(looked_at.intersection(schedule.preview)),
        final=len(looked_at.intersection(schedule.final)),
    )
    return block.model_copy(
        update={"underpowered": None}
    )  # the floor is of a perplexity, and none was measured
