"""What is measured of one model of an evaluation: records, without torch. A part that failed says so."""

from __future__ import annotations

from enum import StrEnum

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


class ArmWeights(Record):
    """invariants: of the checkpoint, there even when its weights are not finite; else the one or the other is None."""

    invariants: InvariantsSnapshot
    variant: VariantMeasurement | None
    failure: Failure | None


class ArmRuns(Record):
    """Forward passes over a schedule. A part that is empty or None has its failure.

    losses: of preview, then final windows, in the order of the schedule; hits: of the same where they were asked for;
    edges: on evenly spaced ones of them.
    """

    losses: tuple[WindowLoss, ...]
    hits: tuple[WindowHits, ...]
    edges: EdgeRiskRecord | None
    failures: tuple[Failure, ...]
