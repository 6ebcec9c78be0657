"""A finished full calibration on the flow run's page in Prefect."""

from __future__ import annotations

from invarlock.policy.key_document import value_text
from invarlock.reports.full_result import FullResult
from tasks.artifacts import show_link, show_table


def show_full(result: FullResult) -> None:
    """A table of what the combined patch changes, and the way to MLflow, where the page is."""
    rows = [
        {
            "key": row.path,
            "now": value_text(row.old),
            "new": value_text(row.new),
            "direction": row.direction.value,
            "supported": row.supported,
        }
        for row in result.rows
    ]
    show_table("calibration table", rows, "What the combined patch changes")
    show_link("calibration mlflow", result.links.mlflow_url, "The run in MLflow", "Page, patch and report")
