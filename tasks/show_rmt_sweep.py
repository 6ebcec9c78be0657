"""A finished RMT sweep on the flow run's page in Prefect."""

from __future__ import annotations

from invarlock.reports.rmt_sweep_result import RmtSweepResult
from tasks.artifacts import show_sweep


def show_rmt_sweep(result: RmtSweepResult) -> None:
    """Summary, table of epsilons, and the way to MLflow."""
    rows = [row.model_dump(mode="json") for row in result.rows]
    show_sweep("rmt-sweep", result, rows, "Epsilon now and recommended")
