"""All that was measured for an evaluation: what every verdict of it is made from, and can be made from again."""

from __future__ import annotations

from invarlock.evaluation.evaluation_plan import EvaluationPlan
from invarlock.measure.arm_records import ArmRuns
from invarlock.measure.branch_records import BranchRecord, ScaledLosses
from invarlock.measure.records import InvariantsSnapshot, VariantMeasurement
from invarlock.record import Record


class ArmMeasured(ArmRuns):
    """One model: what its weights say, and what it did on the windows."""

    invariants: InvariantsSnapshot
    variant: VariantMeasurement | None


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
