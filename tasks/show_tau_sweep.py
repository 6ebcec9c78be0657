"""A finished tau sweep on the flow run's page in Prefect."""

from __future__ import annotations

from invarlock.reports.tau_sweep_result import TauSweepResult
from tasks.artifacts import show_sweep


def show_tau_sweep(result: TauSweepResult) -> None:
    """Summary, the curves as a table, and the way to MLflow."""
    rows = [row.model_dump(mode="json", exclude={"fp_cens_interval"}) for row in result.rows]
    show_sweep("tau-sweep", result, rows, "What each tau would do")
