"""The files of a window plan, from what its tasks found."""

from __future__ import annotations

from invarlock.calibration.window_plan_records import WindowPlan
from invarlock.calibration.window_sizing import WindowSizing
from invarlock.reports.sweep_findings import SweepFindings
from invarlock.reports.sweep_folder import SweepFolder
from invarlock.reports.sweep_report import provenance_of
from invarlock.reports.sweep_results import publish_results
from invarlock.reports.window_plan_files import REPORT, SUMMARY, TABLE, plan_csv, summary_markdown
from invarlock.reports.window_plan_report import (
    TimedWork,
    WindowPlanReport,
    window_measurements,
    window_options,
)
from invarlock.reports.window_plot import plot_windows
from invarlock.reports.window_run_report import WindowRunReport

Findings = SweepFindings[WindowSizing, WindowRunReport, WindowPlan]


def write_window_plan(
    folder: SweepFolder, findings: Findings, *, generated_at: str, work: TimedWork
) -> WindowPlanReport:
    """Write every file of the contract (design page 5) and the manifest, and publish the folder."""
    sizing = findings.plan
    report = WindowPlanReport(
        generated_at=generated_at,
        config=window_options(sizing),
        summaries={cell.tier.value: run.plan for cell, run in findings.runs.items()},
        measurements=window_measurements(sizing, findings.variants),
        provenance=provenance_of(sizing),
        volatile=work,
    )
    title = f"{sizing.model.label}, {sizing.config.edit.name}: what a number of final windows gives"
    plot = plot_windows(report.summaries, title)
    publish_results(
        folder,
        sizing,
        report,
        report_file=REPORT,
        runs={cell.folder: data for cell, data in findings.documents.items()},
        files={
            TABLE: plan_csv(report).encode(),
            SUMMARY: summary_markdown(report, ["plots/half_width.svg"]).encode(),
            **{f"plots/half_width.{ending}": data for ending, data in plot.items()},
        },
    )
    return report
