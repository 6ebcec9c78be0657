"""What a null sweep hands back to its caller: where everything is, and the table a person reads first."""

from __future__ import annotations

from invarlock.calibration.null_plan import NullSweepPlan
from invarlock.policy.schema import Tier
from invarlock.policy.tiers_file import live_tiers_path
from invarlock.record import Record
from invarlock.reports.null_sweep_files import PATCH, REPORT, SUMMARY
from invarlock.reports.null_sweep_report import NullSweepReport, Work


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


class Links(Record):
    """Where to look: MLflow's run, and Prefect's flow run when there is one."""

    mlflow_run_id: str
    mlflow_url: str
    prefect_url: str | None


class NullSweepResult(Record):
    """A finished sweep. Paths are absolute; base_policy: the tiers file that the patch was made against."""

    out: str
    report: str
    summary: str
    patch: str
    patch_sha256: str
    base_policy: str
    run_key: str
    n_runs: int
    rows: tuple[CapRow, ...]
    statements: dict[str, str]
    drift_statement: str | None
    work: Work
    links: Links


def result_of(
    out: str, plan: NullSweepPlan, report: NullSweepReport, patch_sha256: str, links: Links
) -> NullSweepResult:
    """The result of a sweep published at ``out``."""
    return NullSweepResult(
        out=out,
        report=f"{out}/{REPORT}",
        summary=f"{out}/{SUMMARY}",
        patch=f"{out}/{PATCH}",
        patch_sha256=patch_sha256,
        base_policy=str(live_tiers_path()),
        run_key=plan.run_key,
        n_runs=report.config.n_runs,
        rows=cap_rows(plan, report),
        statements={tier: summary.evidence.statement for tier, summary in report.summaries.items()},
        drift_statement=report.drift_caps.statement if report.drift_caps else None,
        work=report.volatile,
        links=links,
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
