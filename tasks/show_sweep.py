"""A finished null sweep on the flow run's page in Prefect."""

from __future__ import annotations

from pathlib import Path

from prefect.context import FlowRunContext
from prefect.settings import PREFECT_UI_URL

from invarlock.reports.null_sweep_result import NullSweepResult
from tasks.artifacts import show_link, show_markdown, show_table


def show_sweep(result: NullSweepResult) -> None:
    """Summary, table of caps, and the way to MLflow."""
    lines = Path(result.summary).read_text().splitlines()
    text = "\n".join(
        line for line in lines if not line.startswith("![")
    )  # plots are in MLflow: no path leads there
    show_markdown("null-sweep-summary", text, "What the sweep recommends")
    rows = [row.model_dump(mode="json") | {"max_z": round(row.max_z, 4)} for row in result.rows]
    show_table("null-sweep-caps", rows, "Caps now and recommended")
    show_link("null-sweep-mlflow", result.links.mlflow_url, "The run in MLflow", "Reports, hashes and files")


def flow_run_url() -> str | None:
    """The page of the running flow run; None where no UI is known."""
    context = FlowRunContext.get()
    ui = PREFECT_UI_URL.value()
    if context is None or context.flow_run is None or ui is None:
        return None
    return f"{ui}/runs/flow-run/{context.flow_run.id}"
