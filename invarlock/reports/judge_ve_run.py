"""One cell of a VE sweep: kept measurements, a proposal and a policy in, the run's report out. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from invarlock.calibration.ve_plan import VeCell, VeSweepPlan
from invarlock.calibration.ve_proposals import SeedProposals
from invarlock.guards.invariants import judge_invariants
from invarlock.guards.spectral import judge_spectral
from invarlock.guards.variance import Arm, PredictiveTest, judge_variance
from invarlock.measure.branch_records import BranchRecord, ScaledLosses, VirtualScales
from invarlock.measure.records import VariantMeasurement
from invarlock.reports.run_blocks import data_block, edit_block, model_block, run_meta
from invarlock.reports.ve_run_report import CalibrationWindows, VeRunReport


@dataclass(frozen=True)
class VeMeasured:
    """All that the cells of one seed rest on. scaled: losses of B by scales digest."""

    baseline: VariantMeasurement
    edited: VariantMeasurement
    baseline_branches: BranchRecord
    edited_branches: BranchRecord
    proposals: SeedProposals
    scaled: Mapping[str, ScaledLosses]


def judge_ve_run(plan: VeSweepPlan, cell: VeCell, measured: VeMeasured) -> VeRunReport:
    """Judge a cell by its tier's policy."""
    policy = plan.policies[cell.tier]
    proposal = measured.proposals.by_cell[cell.folder]
    test = _test(plan, cell, measured, proposal.scales)
    guards = (
        judge_invariants(measured.baseline.invariants, measured.edited.invariants),
        judge_spectral(
            measured.baseline.weights, measured.edited.weights, policy.policy.spectral, measured.edited.drift
        ),
        judge_variance(proposal, test, policy.policy.variance),
    )
    return VeRunReport(
        meta=run_meta(plan, cell),
        model=model_block(plan, cell, measured.baseline, measured.edited),
        data=data_block(plan, cell, calibration=cell.windows),
        edit=edit_block(measured.edited),
        guards=guards,
        windows=CalibrationWindows(
            baseline=test.base.losses if test.base else (),
            edited=test.edited.losses,
            equalized=test.equalized.losses if test.equalized else (),
        ),
        resolved_policy=policy.policy,
        policy_provenance=policy.provenance,
        artifacts={},
    )


def _test(
    plan: VeSweepPlan, cell: VeCell, measured: VeMeasured, scales: VirtualScales | None
) -> PredictiveTest:
    edited = measured.edited.weights.model_digest
    equalized = None
    if scales is not None and (run := measured.scaled.get(scales.digest)) is not None:
        equalized = Arm(model_digest=scales.variant_of(edited), losses=run.losses[: cell.windows])
    return PredictiveTest(
        seed=cell.seed,
        asked=cell.windows,
        edited=Arm(model_digest=edited, losses=measured.edited_branches.losses[: cell.windows]),
        equalized=equalized,
        base=Arm(
            model_digest=measured.baseline.weights.model_digest,
            losses=measured.baseline_branches.losses[: cell.windows],
        ),
        dataset_hash=plan.schedule_of(cell).dataset_hash,
        tokenizer_hash=plan.model_of(cell.model).windows.tokenizer_hash,
    )
