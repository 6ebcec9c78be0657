"""Edge risks of a subject beside its baseline's: means of modules, maxima of families (design page 2)."""

from __future__ import annotations

import math
from collections.abc import Mapping

from invarlock.families import Family
from invarlock.guards.rmt_metrics import FamilyEdge, ModuleEdge
from invarlock.measure.edge_records import EdgeRiskRecord
from invarlock.policy.rmt import RmtPolicy


def module_edges(record: EdgeRiskRecord) -> dict[str, float]:
    """By module, the mean of its risk over windows, weighted by positions. In the record's order."""
    return {site.module: _mean(record, site.module, ceiling=False) for site in record.sites}


def family_edges(record: EdgeRiskRecord) -> dict[Family, float]:
    """By family, the largest of its modules' means."""
    return _largest(record, module_edges(record))


def compare_modules(baseline: EdgeRiskRecord, subject: EdgeRiskRecord) -> dict[str, ModuleEdge]:
    """The modules that both sides have, in the subject's order."""
    before, after = module_edges(baseline), module_edges(subject)
    return {
        site.module: ModuleEdge(
            family=site.family,
            edge_base=before[site.module],
            edge_cur=after[site.module],
            ratio=after[site.module] / before[site.module],
        )
        for site in subject.sites
        if site.module in before
    }


def compare_families(
    baseline: EdgeRiskRecord, subject: EdgeRiskRecord, policy: RmtPolicy
) -> dict[Family, FamilyEdge]:
    """The families that both sides have, each with its band."""
    before, after = family_edges(baseline), family_edges(subject)
    ceilings = _largest(
        subject, {site.module: _mean(subject, site.module, ceiling=True) for site in subject.sites}
    )
    epsilons = {
        family: policy.epsilon_by_family.get(family, policy.epsilon_default)
        for family in after
        if family in before
    }
    return {
        family: FamilyEdge(
            edge_base=before[family],
            edge_cur=after[family],
            epsilon=epsilon,
            allowed=(1 + epsilon) * before[family],
            ratio=after[family] / before[family],
            delta=after[family] / before[family] - 1,
            ceiling=ceilings[family],
        )
        for family, epsilon in epsilons.items()
    }


def _largest(record: EdgeRiskRecord, by_module: Mapping[str, float]) -> dict[Family, float]:
    """Families in the order of :class:`Family`."""
    split = {
        family: [by_module[site.module] for site in record.sites if site.family is family]
        for family in Family
    }
    return {family: max(values) for family, values in split.items() if values}


def _mean(record: EdgeRiskRecord, module: str, *, ceiling: bool) -> float:
    edges = [window.edges[module] for window in record.windows]
    total = math.fsum((edge.ceiling if ceiling else edge.risk) * edge.positions for edge in edges)
    return total / sum(edge.positions for edge in edges)
