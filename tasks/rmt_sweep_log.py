"""What MLflow shows of an RMT sweep and its runs."""

from __future__ import annotations

from invarlock.calibration.rmt_plan import RmtSweepPlan
from invarlock.reports.rmt_run_report import RmtRunReport
from invarlock.reports.rmt_sweep_report import RmtSweepReport
from tasks.sweep_log import Entry


def rmt_sweep_entry(plan: RmtSweepPlan) -> Entry:
    """The parent run."""
    return Entry(
        kind="rmt-sweep",
        about=plan.null.value,
        params={"null": plan.null.value, "quantile": repr(plan.quantile), "windows": str(plan.windows)},
    )


def rmt_run_entry(report: RmtRunReport) -> Entry:
    """A child run."""
    metrics = report.rmt
    numbers = {
        f"{name}_{family.value}": value
        for family, edge in metrics.families.items()
        for name, value in (("edge_base", edge.edge_base), ("edge_cur", edge.edge_cur), ("delta", edge.delta))
    }
    return Entry(
        kind="rmt-run",
        params={"status": metrics.status.value},
        metrics={**numbers, "families_beyond_band": float(len(metrics.epsilon_violations))},
    )


def rmt_sweep_metrics(report: RmtSweepReport) -> dict[str, float]:
    """What the sweep found, by tier."""
    return {
        f"{tier}.{name}": value
        for tier, summary in report.summaries.items()
        for name, value in (
            ("supported", float(summary.evidence.supported)),
            ("n_effective", float(summary.evidence.n_effective)),
            ("beyond_band_rate", summary.observed.beyond_band_rate),
            *((f"delta_quantile_{f.value}", d.quantile) for f, d in summary.observed.family_delta.items()),
            *((f"epsilon_{f.value}", e) for f, e in summary.recommendations.epsilon_by_family.items()),
        )
    }
