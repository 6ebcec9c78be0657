"""What MLflow shows of a VE sweep and its runs."""

from __future__ import annotations

import json

from invarlock.calibration.ve_plan import VeSweepPlan
from invarlock.reports.ve_run_report import VeRunReport
from invarlock.reports.ve_sweep_report import VeSweepReport
from tasks.sweep_log import Entry


def ve_sweep_entry(plan: VeSweepPlan) -> Entry:
    """The parent run."""
    return Entry(
        kind="ve-sweep",
        about=f"{plan.config.edit.name} {plan.rule.value}",
        params={
            "edit": plan.config.edit.name,
            "edit_plan": json.dumps(dict(plan.config.edit.plan), sort_keys=True),
            "windows": " ".join(map(str, plan.windows)),
            "target_enable_rate": repr(plan.target_enable_rate),
            "rule": plan.rule.value,
        },
    )


def ve_run_entry(report: VeRunReport) -> Entry:
    """A child run."""
    metrics = report.variance
    gate = metrics.predictive_gate
    numbers = {
        "edit_cost": metrics.edit_cost,
        "mean_delta": gate.mean_delta,
        "delta_ci_lo": gate.delta_ci[0] if gate.delta_ci else None,
        "delta_ci_hi": gate.delta_ci[1] if gate.delta_ci else None,
        "enabled": float(metrics.enabled),
        "scaled_modules": float(len(metrics.target_modules)),
    }
    return Entry(
        kind="ve-run",
        params={"windows": str(gate.windows), "predictive_reason": gate.reason.value},
        metrics={name: value for name, value in numbers.items() if value is not None},
    )


def ve_sweep_metrics(report: VeSweepReport) -> dict[str, float]:
    """What the sweep found, by tier; no recommendation where nothing was measured."""
    metrics = {}
    for tier, summary in report.summaries.items():
        metrics[f"{tier}.supported"] = float(summary.evidence.target_shown)
        metrics[f"{tier}.enable_rate_now"] = summary.observed.enable_rate
        metrics[f"{tier}.n_effective"] = float(summary.evidence.n_effective)
        if (advice := summary.measured) is not None:
            metrics[f"{tier}.min_effect_lognll"] = advice.min_effect_lognll
            metrics[f"{tier}.expected_enable_rate"] = advice.expected_enable_rate
    return metrics
