"""What a null sweep hands back to its caller: where everything is, and the table a person reads first."""

from __future__ import annotations

from pathlib import Path

from invarlock.calibration.null_plan import NullSweepPlan
from invarlock.policy.schema import Tier
from invarlock.record import Record
from invarlock.reports.null_sweep_files import PATCH, REPORT, SUMMARY
from invarlock.reports.null_sweep_report import NullSweepReport
from invarlock.reports.sweep_result import Links, SweepResult, common_result


class CapRow(Record):
    """One family of one tier. ``forced``: so few modules that |z| is fixed by arithmetic."""

    tier: str
    family: str
    modules: float
    max_z: float
    kappa_now: float | None
    kappa: float
    modeled_tail: float
    forced: bool


class NullSweepResult(SweepResult):
    """A finished null sweep. statements: by tier, what the runs show."""

    rows: tuple[CapRow, ...]
    statements: dict[str, str]
    drift_statement: str | None


def null_result(out: Path, plan: NullSweepPlan, report: NullSweepReport, links: Links) -> NullSweepResult:
    """The result of a sweep published at ``out``."""
    return NullSweepResult(
        **common_result(out, plan, report, links, report=REPORT, summary=SUMMARY, patch=PATCH).model_dump(),
        rows=cap_rows(plan, report),
        statements={tier: summary.evidence.statement for tier, summary in report.summaries.items()},
        drift_statement=report.drift_caps.statement if report.drift_caps else None,
    )


def cap_rows(plan: NullSweepPlan, report: NullSweepReport) -> tuple[CapRow, ...]:
    """Recommended and present caps, tier by tier and family by family."""
    return tuple(
        CapRow(
            tier=tier,
            family=family.value,
            modules=summary.cross_check[family].modules,
            max_z=summary.observed.family_max_z[family],
            kappa_now=plan.policies[Tier(tier)].policy.spectral.family_caps.get(family),
            kappa=kappa,
            modeled_tail=summary.cross_check[family].modeled_tail,
            forced=family in summary.evidence.degenerate_families,
        )
        for tier, summary in report.summaries.items()
        for family, kappa in summary.recommendations.family_caps.items()
    )
