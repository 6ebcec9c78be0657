"""The guard sections of an evaluation report, from the entries of a run's report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel

from invarlock.errors import DataError
from invarlock.guards.report import GuardReport, InvariantsMetrics, Unjudged
from invarlock.guards.rmt_metrics import RmtMetrics
from invarlock.guards.spectral_metrics import SpectralMetrics
from invarlock.guards.variance_metrics import VarianceMetrics
from invarlock.reports.evaluation_sections import (
    FamilyCap,
    InvariantsSection,
    RmtSection,
    SpectralFamily,
    SpectralSection,
    SpectralSummary,
    UnjudgedSection,
    VarianceSection,
)

R = TypeVar("R", bound=BaseModel)


@dataclass(frozen=True)
class GuardSections:
    """One a guard."""

    invariants: InvariantsSection
    spectral: SpectralSection | UnjudgedSection
    rmt: RmtSection | UnjudgedSection
    variance: VarianceSection | UnjudgedSection


def guard_sections(guards: Sequence[GuardReport]) -> GuardSections:
    """Of a run's ``guards``. DataError when an entry is missing, or holds another guard's metrics."""
    return GuardSections(
        invariants=_invariants(_entry(guards, "invariants")),
        spectral=_spectral(_entry(guards, "spectral")),
        rmt=_rmt(_entry(guards, "rmt")),
        variance=_variance(_entry(guards, "variance")),
    )


def _invariants(guard: GuardReport) -> InvariantsSection:
    return _section(guard, InvariantsSection, _require(guard, InvariantsMetrics))


def _spectral(guard: GuardReport) -> SpectralSection | UnjudgedSection:
    if isinstance(guard.metrics, Unjudged):
        return _section(guard, UnjudgedSection, guard.metrics)
    metrics = _require(guard, SpectralMetrics)
    return _section(
        guard,
        SpectralSection,
        metrics,
        summary=SpectralSummary(
            modules_checked=metrics.modules_checked,
            caps_applied=metrics.caps_applied,
            max_caps=metrics.max_caps,
            caps_exceeded=metrics.caps_exceeded,
        ),
        families={
            family: SpectralFamily(
                **dict(summary),
                baseline=metrics.family_stats[family],
                quantiles=metrics.family_z_quantiles[family],
            )
            for family, summary in metrics.family_z_summary.items()
        },
        family_caps={
            family: FamilyCap(kappa=summary.kappa) for family, summary in metrics.family_z_summary.items()
        },
    )


def _rmt(guard: GuardReport) -> RmtSection | UnjudgedSection:
    if isinstance(guard.metrics, Unjudged):
        return _section(guard, UnjudgedSection, guard.metrics)
    return _section(guard, RmtSection, _require(guard, RmtMetrics))


def _variance(guard: GuardReport) -> VarianceSection | UnjudgedSection:
    if isinstance(guard.metrics, Unjudged):
        return _section(guard, UnjudgedSection, guard.metrics)
    return _section(guard, VarianceSection, _require(guard, VarianceMetrics))


def _entry(guards: Sequence[GuardReport], name: str) -> GuardReport:
    found = [guard for guard in guards if guard.name == name]
    if len(found) != 1:
        raise DataError(
            f"the run has {len(found)} entries of guard {name}", where="guards", fix="make it again"
        )
    return found[0]


def _require(guard: GuardReport, kind: type[R]) -> R:
    if not isinstance(guard.metrics, kind):
        raise DataError(
            f"the entry holds {type(guard.metrics).__name__}",
            where=f"guards: {guard.name}",
            fix="make it again",
        )
    return guard.metrics


def _section(guard: GuardReport, kind: type[R], metrics: BaseModel, **own: object) -> R:
    outcome = {name: value for name, value in guard if name not in ("name", "metrics")}
    return kind.model_validate({**outcome, **dict(metrics), **own})
