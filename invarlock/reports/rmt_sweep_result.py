"""What an RMT sweep hands back to its caller: where everything is, and the table a person reads first."""

from __future__ import annotations

from pathlib import Path

from invarlock.calibration.rmt_plan import RmtSweepPlan
from invarlock.policy.schema import Tier
from invarlock.reports.epsilon_rows import EpsilonRow, epsilon_rows
from invarlock.reports.rmt_sweep_files import PATCH, REPORT, SUMMARY
from invarlock.reports.rmt_sweep_report import RmtSweepReport
from invarlock.reports.sweep_result import Links, SweepResult, common_result


class RmtSweepResult(SweepResult):
    """A finished RMT sweep. statements: by tier, what the runs show; scope: what the null was."""

    null: str
    quantile: float
    rows: tuple[EpsilonRow, ...]
    statements: dict[str, str]
    scope: str


def rmt_result(out: Path, plan: RmtSweepPlan, report: RmtSweepReport, links: Links) -> RmtSweepResult:
    """The result of a sweep published at ``out``."""
    summaries = report.summaries
    return RmtSweepResult(
        **common_result(out, plan, report, links, report=REPORT, summary=SUMMARY, patch=PATCH).model_dump(),
        null=plan.null.value,
        quantile=plan.quantile,
        rows=tuple(
            row
            for tier, summary in summaries.items()
            for row in epsilon_rows(summary, plan.policies[Tier(tier)].policy.rmt)
        ),
        statements={tier: summary.evidence.statement for tier, summary in summaries.items()},
        scope=summaries[plan.tiers[0].value].scope,
    )
