"""All that was measured for an evaluation: what every verdict of it is made from, and can be made from again."""

from __future__ import annotations

from typing import Self

from invarlock.evaluation.evaluation_plan import EvaluationPlan
from invarlock.measure.arm_records import ArmRuns, ArmWeights, Failure, Part
from invarlock.measure.branch_records import BranchRecord, ScaledLosses
from invarlock.measure.records import InvariantsSnapshot, VariantMeasurement
from invarlock.record import Record

_NOT_RUN = ArmRuns(
    losses=(),
    hits=(),
    edges=None,
    failures=tuple(
        Failure(part=part, what="not run: the weights could not be measured", where=None)
        for part in (Part.LOSSES, Part.EDGES)
    ),
)


class ArmMeasured(ArmRuns):
    """One model: what its weights say, and what it did on the windows."""

    invariants: InvariantsSnapshot
    variant: VariantMeasurement | None

    @classmethod
    def of(cls, weights: ArmWeights, runs: ArmRuns | None) -> Self:
        """Both parts together. runs: None for a model that was not run, because its weights could not be measured."""
        ran = runs or _NOT_RUN
        return cls(
            invariants=weights.invariants,
            variant=weights.variant,
            losses=ran.losses,
            hits=ran.hits,
            edges=ran.edges,
            failures=((weights.failure,) if weights.failure else ()) + ran.failures,
        )


class VarianceMeasured(Record):
    """Both models on the calibration windows; equalized: the subject under the scales that were proposed, if any."""

    baseline: BranchRecord
    subject: BranchRecord
    equalized: ScaledLosses | None


class Measured(Record):
    """Both models. variance: None where no branch was changed, or it was not asked for."""

    baseline: ArmMeasured
    subject: ArmMeasured
    variance: VarianceMeasured | None


class Evidence(Record):
    """What an auditor needs to decide everything again. plan: without the folders of the machine it ran on."""

    plan: EvaluationPlan
    measured: Measured
