"""A finished window plan on the flow run's page in Prefect."""

from __future__ import annotations

from invarlock.reports.window_plan_result import WindowPlanResult
from tasks.artifacts import show_sweep


def show_window_plan(result: WindowPlanResult) -> None:
    """Summary, table of window counts, and the way to MLflow."""
    rows = [row.model_dump(mode="json", exclude={"profiles", "enough"}) for row in result.rows]
    show_sweep("window-plan", result, rows, "Final windows that each tier needs")
