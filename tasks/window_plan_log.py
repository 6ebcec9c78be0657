"""What MLflow shows of a window plan and its tiers."""

from __future__ import annotations

import json

from invarlock.calibration.window_plan_records import WindowPlan
from invarlock.calibration.window_sizing import WindowSizing
from invarlock.reports.window_plan_report import WindowPlanReport
from invarlock.reports.window_run_report import WindowRunReport
from tasks.sweep_log import Entry


def window_plan_entry(sizing: WindowSizing) -> Entry:
    """The parent run."""
    return Entry(
        kind="window-plan",
        about=sizing.config.edit.name,
        params={
            "edit": sizing.config.edit.name,
            "edit_plan": json.dumps(dict(sizing.config.edit.plan), sort_keys=True),
            "windows": str(len(sizing.windows)),
            "target_half_width": repr(sizing.target_half_width),
        },
    )


def window_run_entry(report: WindowRunReport) -> Entry:
    """A child run."""
    return Entry(kind="window-run", metrics=_numbers(report.plan))


def window_plan_metrics(report: WindowPlanReport) -> dict[str, float]:
    """What the plan found, by tier, and what a window costs on the host."""
    found = {
        f"{tier}.{name}": value
        for tier, plan in report.summaries.items()
        for name, value in _numbers(plan).items()
    }
    return found | {"seconds_per_window": report.volatile.timing.seconds_per_window}


def _numbers(plan: WindowPlan) -> dict[str, float]:
    return {
        "sigma_hat": plan.sigma_hat,
        "mean_delta": plan.mean_delta,
        "windows_needed": float(plan.windows_needed),
        "windows_recommended": float(plan.recommended.windows),
        "knee": float(plan.knee),
    }
