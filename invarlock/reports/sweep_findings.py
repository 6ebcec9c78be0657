"""What a finished sweep found, whatever its kind: what its files are written from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from invarlock.calibration.sweep_plan import Cell, SweepPlan
from invarlock.measure.records import VariantMeasurement
from invarlock.policy.schema import Tier
from invarlock.record import Record
from invarlock.reports.run_report import RunRecord

P = TypeVar("P", bound=SweepPlan[Any])
R = TypeVar("R", bound=RunRecord)
Summary = TypeVar("Summary", bound=Record)


@dataclass(frozen=True)
class SweepFindings(Generic[P, R, Summary]):
    """runs: every cell's report; documents: its bytes as they were hashed."""

    plan: P
    variants: Sequence[VariantMeasurement]
    runs: Mapping[Cell, R]
    documents: Mapping[Cell, bytes]
    summaries: Mapping[Tier, Summary]
