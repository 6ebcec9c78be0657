"""All that was measured for an evaluation: what every verdict of it is made from, and can be made from again."""

from __future__ import annotations

from enum import StrEnum

from invarlock.evaluation.evaluation_plan import EvaluationPlan
from invarlock.measure.branch_records import BranchRecord, ScaledLosses
from invarlock.measure.edge_records import EdgeRiskRecord
from invarlock.measure.records import InvariantsSnapshot, VariantMeasurement, WindowHits, WindowLoss
from invarlock.record import Record


class Part(StrEnum):
    """What is measured of a model: its weights, its losses on windows, the edge risk of its activations."""

    WEIGHTS = "weights"
    LOSSES = "losses"
    EDGES = "edges"


class Failure(Record):
    """A part that could not be measured, as the error said it. It is never replaced by a default."""

    part: Part
    what: str
    where: str | None


class ArmMeasured(Record):
    """One model. A part that is empty or None has its failure.

    invariants: of the checkpoint, there even when its weights are not finite; losses: of preview, then final windows,
    in the order of the schedule; hits: of the same, where the metric is accuracy.
    """

    invariants: InvariantsSnapshot
    variant: VariantMeasurement | None
    losses: tuple[WindowLoss, ...]
    hits: tuple[WindowHits, ...]
    edges: EdgeRiskRecord | None
    failures: tuple[Failure, ...]


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
