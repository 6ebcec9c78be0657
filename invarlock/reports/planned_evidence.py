"""Were the measurements of an evaluation made of the models, windows and estimator that its plan names?"""

from __future__ import annotations

from invarlock.data.evenly_spaced import evenly_spaced
from invarlock.errors import DataError
from invarlock.evaluation.evaluation_plan import EvaluationPlan
from invarlock.evaluation.measured import ArmMeasured, Measured
from invarlock.measure.edge_records import WINDOWS, EdgeRiskRecord
from invarlock.measure.records import EstimatorContract, VariantMeasurement
from invarlock.metrics.paired_windows import name_windows
from invarlock.reports.evaluation_run import Role
from invarlock.reports.run_source import on_windows


def require_planned(plan: EvaluationPlan, measured: Measured) -> None:
    """DataError that names model and part unless what was measured is what ``plan`` says. A part that is missing is
    no contradiction: its failure is told elsewhere."""
    for role, arm in ((Role.BASELINE, measured.baseline), (Role.SUBJECT, measured.subject)):
        if arm.variant is not None:
            _require_weights(plan, role, arm.variant)
        if arm.edges is not None:
            _require_contract(plan, f"{role.value}: edge risk", arm.edges.contract)
            _require_windows(plan, role, arm.edges)
            _require_losses(role, arm, arm.edges)


def _require_weights(plan: EvaluationPlan, role: Role, variant: VariantMeasurement) -> None:
    """The digest of a subject that was edited in memory is known only after the edit."""
    where = f"{role.value}: weights"
    _require_contract(plan, where, variant.weights.contract)
    _require_digest(
        "the baseline that they were compared with", variant.baseline_digest, plan.baseline.digest, where
    )
    if role is Role.BASELINE:
        _require_digest("the weights", variant.weights.model_digest, plan.baseline.digest, where)
    elif plan.edit is None:
        _require_digest("the weights", variant.weights.model_digest, plan.subject.digest, where)


def _require_digest(what: str, found: str, planned: str, where: str) -> None:
    if found != planned:
        raise DataError(
            f"{what} have the digest {found[:16]}, the evaluation was planned for {planned[:16]}",
            where=where,
            fix="measure the models of the plan",
        )


def _require_contract(plan: EvaluationPlan, where: str, contract: EstimatorContract) -> None:
    if contract != plan.contract:
        raise DataError(
            f"measured under the estimator contract {contract.digest16}, planned was {plan.contract.digest16}",
            where=where,
            fix="measure with the estimator of the plan",
        )


def _require_windows(plan: EvaluationPlan, role: Role, edges: EdgeRiskRecord) -> None:
    ids = plan.schedule.preview + plan.schedule.final
    planned = tuple(ids[place] for place in evenly_spaced(len(ids), WINDOWS))
    for measured in (edges.windows, edges.losses):
        found = tuple(each.window_id for each in measured)
        if found != planned:
            raise DataError(
                f"edge risk was measured on {len(found)} windows that are not the {len(planned)} evenly spaced ones of "
                "the schedule",
                where=f"{role.value}: {name_windows([name for name in found if name not in planned] or found)}",
                fix="measure it on those, in their order",
            )


def _require_losses(role: Role, arm: ArmMeasured, edges: EdgeRiskRecord) -> None:
    """The pass that gave the edge risk gave the loss as well."""
    if not arm.losses:
        return
    own = on_windows(arm.losses, [loss.window_id for loss in edges.losses])
    differing = [loss.window_id for loss, known in zip(edges.losses, own, strict=True) if loss != known]
    if differing:
        raise DataError(
            "the losses beside the edge risk are not those of the same windows",
            where=f"{role.value}: {name_windows(differing)}",
            fix="measure losses and edge risk of one model",
        )
