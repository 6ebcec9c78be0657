"""What a full calibration hands back to its caller: where everything is, and the table a person reads first."""

from __future__ import annotations

from pathlib import Path

from invarlock.calibration.full_plan import FullPlan
from invarlock.digests import sha256_file
from invarlock.policy.tiers_file import live_tiers_path
from invarlock.reports.full_files import PAGE, PATCH, REPORT
from invarlock.reports.full_report import FullReport, Recommendation
from invarlock.reports.sweep_result import Links, SweepResult


class FullResult(SweepResult):
    """A finished full calibration. summary: the page; windows: by tier, what the window plan says."""

    rows: tuple[Recommendation, ...]
    kept: int
    windows: dict[str, str]


def full_result(out: Path, plan: FullPlan, report: FullReport, links: Links) -> FullResult:
    """The result of a calibration published at ``out``."""
    return FullResult(
        out=str(out),
        report=str(out / REPORT),
        summary=str(out / PAGE),
        run_key=plan.run_key,
        n_runs=sum(part.n_runs for part in report.parts.values()),
        work=report.volatile,
        links=links,
        patch=str(out / PATCH),
        patch_sha256=sha256_file(out / PATCH),
        base_policy=str(live_tiers_path()),
        rows=report.recommendations,
        kept=report.kept,
        windows=dict(report.parts["window_plan"].statements),
    )
