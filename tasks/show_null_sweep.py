"""A finished null sweep on the flow run's page in Prefect."""

from __future__ import annotations

from invarlock.reports.null_sweep_result import NullSweepResult
from tasks.artifacts import show_sweep


def show_null_sweep(result: NullSweepResult) -> None:
    """Summary, table of caps, and the way to MLflow."""
    rows = [row.model_dump(mode="json") | {"max_z": round(row.max_z, 4)} for row in result.rows]
    show_sweep("null-sweep", result, rows, "Caps now and recommended")
