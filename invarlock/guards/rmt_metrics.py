"""What the RMT guard reports: enough to recompute every band and its verdict from the report alone."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from invarlock.families import Family
from invarlock.measure.records import EstimatorContract
from invarlock.record import Record


class RmtStatus(StrEnum):
    """unstable: a family is beyond its band; unmeasured: something has no edge risk to compare. Both block."""

    STABLE = "stable"
    UNSTABLE = "unstable"
    UNMEASURED = "unmeasured"


class ModuleEdge(Record):
    """Edge risk of one module, the position-weighted mean over windows. ratio: edge_cur / edge_base."""

    family: Family
    edge_base: float
    edge_cur: float
    ratio: float


class FamilyEdge(Record):
    """The largest edge risk among a family's modules, in the baseline and in the subject.

    allowed: (1 + epsilon) edge_base; ratio: edge_cur / edge_base; delta: ratio - 1;
    ceiling: the largest risk that outputs of these shapes can have.
    """

    edge_base: float
    edge_cur: float
    epsilon: float
    allowed: float
    ratio: float
    delta: float
    ceiling: float


class RmtMetrics(Record):
    """Metrics of the ``rmt`` entry.

    epsilon_by_family, epsilon_default: the policy's; epsilon_violations: families beyond their band; modules: those
    measured on both sides; windows: the ids that both were measured on; baseline_windows: the baseline's own ids where
    it was measured on others, which only a redraw does; contract: None where a side is missing.
    """

    status: RmtStatus
    stable: bool
    families: Mapping[Family, FamilyEdge]
    epsilon_by_family: Mapping[Family, float]
    epsilon_default: float
    epsilon_violations: tuple[Family, ...]
    modules: Mapping[str, ModuleEdge]
    windows: tuple[str, ...]
    baseline_windows: tuple[str, ...] | None = None
    contract: EstimatorContract | None
    contract_digest: str | None
