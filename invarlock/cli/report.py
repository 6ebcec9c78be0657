"""``invarlock report``: why an evaluation came out as it did, whether its report is true, and its page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from invarlock.errors import ConfigError

if TYPE_CHECKING:
    from invarlock.reports.verify_runs import CheckedReport

app = typer.Typer(
    no_args_is_help=True,
    help="Read the report of an evaluation: explain its verdict, verify every number of it, make its page.",
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
ReportFile = Annotated[Path, typer.Argument(help="An evaluation.report.json, with the files beside it.")]

_GIVE = "give --report and --baseline, the two runs' report.json, or --evaluation-report alone"


@app.command()
def explain(
    report: Annotated[Path | None, typer.Option(help="The subject's report.json.")] = None,
    baseline: Annotated[Path | None, typer.Option(help="The baseline's report.json.")] = None,
    evaluation_report: Annotated[
        Path | None, typer.Option(help="Instead of both: an evaluation.report.json.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say why an evaluation came out as it did.

    Every gate with value, interval, threshold and verdict, and the policy layer that set each threshold.

    Example:  invarlock report explain --report runs/subject/1f2e3d4c5b6a/report.json
    --baseline runs/source/1f2e3d4c5b6a/report.json

    Or:  invarlock report explain --evaluation-report reports/evaluation/1f2e3d4c5b6a/evaluation.report.json

    An evaluation report is compared with the two runs beside it first; explain says so where it cannot, or differs.

    Exit codes: 0 explained, whatever the verdict was; 1 the report contradicts its runs; 2 unreadable, or of another
    schema version.
    """
    # Late: judging imports scipy, and --help needs none of it.
    from invarlock.cli.explanation_view import show_explanation
    from invarlock.reports.explain import explain as explain_report

    chosen = _chosen(report, baseline, evaluation_report)
    told = explain_report(chosen.report, chosen.caution)
    if as_json:
        print(json.dumps(told.model_dump(mode="json"), indent=2))
    else:
        show_explanation(told)
    raise typer.Exit(int(chosen.contradicted))


@app.command()
def verify(report: ReportFile, as_json: AsJson = False) -> None:
    """Recompute a report from the files beside it, and name the first field that disagrees.

    Policy digest, z-scores, guards, gates and intervals are made again from evidence.json, the Markdown and the page
    from the records; the folder must hold the files of its plan, with the hashes of manifest.json, and no others.

    Example:  invarlock report verify reports/evaluation/1f2e3d4c5b6a/evaluation.report.json

    Exit codes: 0 everything agrees; 1 something does not; 2 a file is missing, unreadable or of another schema version.
    """
    from invarlock.cli.verification_view import show_verification
    from invarlock.reports.verify import verify_evaluation

    found = verify_evaluation(report)
    if as_json:
        first = found.first.sentence if found.first else None
        print(json.dumps(found.model_dump(mode="json") | {"first": first, "agrees": first is None}, indent=2))
    else:
        show_verification(found)
    raise typer.Exit(found.exit_code)


@app.command()
def html(
    report: ReportFile,
    out: Annotated[
        Path | None,
        typer.Option(help="File to write. Default: evaluation.report.html in the working folder."),
    ] = None,
) -> None:
    """Make the page of an evaluation anew: one file, readable on a phone, nothing loaded from the network.

    Example:  invarlock report html reports/evaluation/1f2e3d4c5b6a/evaluation.report.json --out page.html

    Exit codes: 0 made; 1 the report contradicts its runs, and the page is made from them and says so; 2 a file is
    missing, unreadable or of another schema version.
    """
    from invarlock.cli.console import err
    from invarlock.files import write_atomic
    from invarlock.reports.evaluation_files import read_record
    from invarlock.reports.evaluation_html import evaluation_html
    from invarlock.reports.evaluation_manifest import BASELINE_RUN, PAGE, SUBJECT_RUN
    from invarlock.reports.evaluation_run import EvaluationRun
    from invarlock.reports.verify_runs import check_report

    baseline, subject = (
        read_record(report.parent / name, EvaluationRun) for name in (BASELINE_RUN, SUBJECT_RUN)
    )
    checked = check_report(report)
    page = evaluation_html(checked.report, baseline, subject, checked.caution)
    place = out or Path(PAGE)
    write_atomic(place, page.encode())
    print(place)
    if checked.contradicted:
        err.print(checked.caution, markup=False)
        raise typer.Exit(1)


def _chosen(report: Path | None, baseline: Path | None, evaluation_report: Path | None) -> CheckedReport:
    from invarlock.reports.compare_runs import compare_runs
    from invarlock.reports.evaluation_files import read_record
    from invarlock.reports.evaluation_run import EvaluationRun
    from invarlock.reports.verify_runs import CheckedReport, check_report

    if evaluation_report is not None and report is None and baseline is None:
        return check_report(evaluation_report)
    if evaluation_report is not None or report is None or baseline is None:
        raise ConfigError("which evaluation is not clear from the options", fix=_GIVE)
    runs = read_record(baseline, EvaluationRun), read_record(report, EvaluationRun)
    return CheckedReport(report=compare_runs(*runs))
