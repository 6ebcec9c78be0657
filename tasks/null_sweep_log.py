"""What MLflow shows of a null sweep and its runs."""

from __future__ import annotations

from invarlock.calibration.null_plan import NullSweepPlan
from invarlock.reports.null_sweep_report import NullSweepReport
from invarlock.reports.run_report import RunReport
from tasks.sweep_log import Entry


def null_sweep_entry(plan: NullSweepPlan) -> Entry:
    """The parent run."""
    return Entry(
        kind="null-sweep",
        about=plan.null.value,
        params={
            "null": plan.null.value,
            "cap_rule": plan.cap_rule.value,
            "target_any_warning_rate": repr(plan.target_any_warning_rate),
        },
    )


def null_run_entry(report: RunReport) -> Entry:
    """A child run."""
    spectral = report.spectral
    return Entry(
        kind="null-run",
        metrics={
            "caps_applied": float(spectral.caps_applied),
            "preview_perplexity": report.metrics.preview,
            "final_perplexity": report.metrics.final,
            "ratio_vs_baseline": report.metrics.ratio_vs_baseline,
            **{f"max_z_{family.value}": q.max for family, q in spectral.family_z_quantiles.items()},
        },
    )


def null_sweep_metrics(report: NullSweepReport) -> dict[str, float]:
    """What the sweep found, by tier."""
    return {
        f"{tier}.{name}": value
        for tier, summary in report.summaries.items()
        for name, value in (
            ("any_warning_rate", summary.observed.any_warning_rate),
            ("n_effective", float(summary.evidence.n_effective)),
            *((f"kappa_{f.value}", kappa) for f, kappa in summary.recommendations.family_caps.items()),
        )
    }
