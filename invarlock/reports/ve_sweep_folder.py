"""The files of a VE sweep, from its plan, runs and summaries."""

from __future__ import annotations

import json
from collections.abc import Mapping

from invarlock.calibration.sweep_plan import Cell
from invarlock.calibration.ve_plan import VeSweepPlan
from invarlock.calibration.ve_records import VeSummary
from invarlock.errors import DataError
from invarlock.reports.enablement import check_enablement
from invarlock.reports.gain_plot import plot_gains
from invarlock.reports.power_plot import plot_power
from invarlock.reports.sweep_findings import SweepFindings
from invarlock.reports.sweep_folder import SweepFolder
from invarlock.reports.sweep_report import Work, provenance_of
from invarlock.reports.sweep_results import publish_results
from invarlock.reports.ve_run_report import VeRunReport
from invarlock.reports.ve_sweep_files import (
    PATCH,
    POWER,
    REPORT,
    RUNS,
    SUMMARY,
    patch_yaml,
    power_csv,
    runs_csv,
    summary_markdown,
)
from invarlock.reports.ve_sweep_report import VeSweepReport, ve_measurements, ve_options

Findings = SweepFindings[VeSweepPlan, VeRunReport, VeSummary]


def write_ve_sweep(
    folder: SweepFolder, findings: Findings, *, generated_at: str, work: Work
) -> VeSweepReport:
    """Write every file of the contract (design page 5) and the manifest, and publish the folder.

    Raises DataError when a run's decision is not borne out by its own report: nothing is published then.
    """
    plan = findings.plan
    _lint(findings.documents)
    summaries = {tier.value: summary for tier, summary in findings.summaries.items()}
    report = VeSweepReport(
        generated_at=generated_at,
        config=ve_options(plan),
        summaries=summaries,
        power_curve=tuple(point for summary in summaries.values() for point in summary.power_curve),
        measurements=ve_measurements(plan, findings.variants, findings.runs),
        provenance=provenance_of(plan),
        volatile=work,
    )
    now = {tier.value: policy.policy.variance.min_effect_lognll for tier, policy in plan.policies.items()}
    new = {
        tier: advice.min_effect_lognll
        for tier, summary in summaries.items()
        if (advice := summary.measured) is not None
    }
    gains = {tier: summary.observed.gains.values for tier, summary in summaries.items()}
    pictures = {
        "plots/power_curve": plot_power(
            report.power_curve, now, new, _title(plan, "what the gate can resolve")
        ),
        "plots/gains": plot_gains(gains, now, new, _title(plan, "gains of the runs")),
    }
    plots = {f"{name}.{ending}": data for name, ends in pictures.items() for ending, data in ends.items()}
    shown = [f"{name}.svg" for name in pictures]
    publish_results(
        folder,
        plan,
        report,
        report_file=REPORT,
        runs={cell.folder: data for cell, data in findings.documents.items()},
        files={
            RUNS: runs_csv(findings.runs.values()).encode(),
            POWER: power_csv(report.power_curve).encode(),
            PATCH: patch_yaml(report).encode(),
            SUMMARY: summary_markdown(report, findings.runs.values(), now, shown).encode(),
            **plots,
        },
    )
    return report


def _lint(documents: Mapping[Cell, bytes]) -> None:
    for cell, document in documents.items():
        if problems := check_enablement(json.loads(document)):
            raise DataError(
                "; ".join(str(problem) for problem in problems),
                where=f"{cell.folder}/report.json",
                fix="report it: a run's own numbers do not bear out its decision",
            )


def _title(plan: VeSweepPlan, what: str) -> str:
    return f"{', '.join(model.label for model in plan.models)}, {plan.config.edit.name}: {what}"
