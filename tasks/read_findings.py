"""What a sweep's tasks kept, read back: runs for a summary, everything for the results folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from invarlock.calibration.sweep_plan import Cell
from invarlock.measure.records import VariantMeasurement
from invarlock.policy.schema import Tier
from invarlock.reports.sweep_findings import P, R, Summary, SweepFindings
from invarlock.store.documents import Reference, read_document
from tasks.resources import read_record

Observation = TypeVar("Observation")


def read_observations(
    reports: Sequence[Reference], read: Callable[[Mapping[str, Any], int], Observation]
) -> list[Observation]:
    """What ``read`` makes of each run report and its position."""
    return [read(json.loads(read_document(reference)), place) for place, reference in enumerate(reports)]


def read_findings(
    plan: P,
    variants: Sequence[Reference],
    judged: Mapping[Cell, Reference],
    summaries: Mapping[Tier, Reference],
    run_report: type[R],
    summary: type[Summary],
) -> SweepFindings[P, R, Summary]:
    """What the sweep of ``plan`` found; run_report, summary: the records of its kind."""
    return SweepFindings(
        plan=plan,
        variants=[read_record(reference, VariantMeasurement) for reference in variants],
        runs={cell: read_record(reference, run_report) for cell, reference in judged.items()},
        documents={cell: read_document(reference) for cell, reference in judged.items()},
        summaries={tier: read_record(reference, summary) for tier, reference in summaries.items()},
    )
