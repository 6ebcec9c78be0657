"""What a finished evaluation shows in the terminal: why it came out so, the work done, and where everything is."""

from __future__ import annotations

from pathlib import Path

from rich.markup import escape

from invarlock.cli.console import out
from invarlock.cli.explanation_view import show_explanation
from invarlock.cli.sweep_view import near, show_work
from invarlock.reports.evaluation_files import read_record
from invarlock.reports.evaluation_report import EvaluationReport
from invarlock.reports.evaluation_result import EvaluationResult
from invarlock.reports.evaluation_run import Role
from invarlock.reports.explain import explain


def show_evaluation(result: EvaluationResult) -> None:
    """Print ``result`` for a person."""
    show_explanation(explain(read_record(Path(result.report), EvaluationReport)))
    show_work(result.work)
    out.print("\n[bold]Files[/bold]", soft_wrap=True)
    steps = (
        ("page", str(near(result.page))),
        ("verify", f"invarlock report verify {near(result.report)}"),
        ("runs", " ".join(str(near(result.runs[role])) for role in Role)),
        ("MLflow", f"run {result.links.mlflow_run_id}  {result.links.mlflow_url}"),
        ("Prefect", result.links.prefect_url or "no UI address is known"),
    )
    for name, what in steps:
        out.print(f"  {name:<8} {escape(what)}", soft_wrap=True)
