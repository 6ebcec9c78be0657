"""A finished evaluation on the flow run's page in Prefect."""

from __future__ import annotations

from pathlib import Path

from invarlock.reports.evaluation_result import EvaluationResult
from tasks.artifacts import show_link, show_markdown, show_table


def show_evaluation(result: EvaluationResult) -> None:
    """The report, a table of the gates, and the way to MLflow."""
    show_markdown("evaluation report", Path(result.markdown).read_text(), "Verdict and gates")
    rows = [{"flag": name, "holds": value} for name, value in result.validation.model_dump().items()]
    show_table("evaluation gates", rows, f"Outcome: {result.verdict.outcome.value}")
    show_link("evaluation mlflow", result.links.mlflow_url, "The run in MLflow", "Reports, hashes and files")
