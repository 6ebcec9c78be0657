"""A finished VE sweep on the flow run's page in Prefect."""

from __future__ import annotations

from invarlock.reports.ve_sweep_result import VeSweepResult
from tasks.artifacts import show_sweep


def show_ve_sweep(result: VeSweepResult) -> None:
    """Summary, table of minimum effects, and the way to MLflow."""
    rows = [row.model_dump(mode="json") for row in result.rows]
    show_sweep("ve-sweep", result, rows, "Minimum effects now and recommended")
