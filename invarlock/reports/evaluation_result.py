"""What a finished evaluation hands back to its caller: the verdict, where everything is, and what was done."""

from __future__ import annotations

from pathlib import Path

from invarlock.record import Record
from invarlock.reports.evaluation_manifest import MARKDOWN, PAGE, REPORT
from invarlock.reports.evaluation_report import EvaluationReport, Validation, VerdictBlock
from invarlock.reports.evaluation_run import Role
from invarlock.reports.sweep_report import Work
from invarlock.reports.sweep_result import Links


class EvaluationResult(Record):
    """Paths are absolute; runs: of the two models' own reports."""

    report_out: str
    report: str
    markdown: str
    page: str
    runs: dict[Role, str]
    run_key: str
    verdict: VerdictBlock
    validation: Validation
    work: Work
    links: Links


def evaluation_result(
    out: Path, runs: dict[Role, Path], report: EvaluationReport, work: Work, links: Links
) -> EvaluationResult:
    """Of an evaluation published at ``out``."""
    return EvaluationResult(
        report_out=str(out),
        report=str(out / REPORT),
        markdown=str(out / MARKDOWN),
        page=str(out / PAGE),
        runs={role: str(path.resolve()) for role, path in runs.items()},
        run_key=report.run_id,
        verdict=report.verdict,
        validation=report.validation,
        work=work,
        links=links,
    )
