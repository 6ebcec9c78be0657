"""The files of an RMT sweep, from its plan, runs and summaries."""

from __future__ import annotations

from invarlock.calibration.rmt_plan import RmtSweepPlan
from invarlock.calibration.rmt_records import RmtSummary
from invarlock.families import Family
from invarlock.reports.epsilon_plot import EpsilonPanel, plot_epsilon
from invarlock.reports.rmt_run_report import RmtRunReport
from invarlock.reports.rmt_sweep_files import (
    PATCH,
    REPORT,
    RUNS,
    SUMMARY,
    patch_yaml,
    runs_csv,
    summary_markdown,
)
from invarlock.reports.rmt_sweep_report import RmtSweepReport, rmt_measurements, rmt_options
from invarlock.reports.sweep_findings import SweepFindings
from invarlock.reports.sweep_folder import SweepFolder
from invarlock.reports.sweep_report import Work, provenance_of
from invarlock.reports.sweep_results import publish_results

Findings = SweepFindings[RmtSweepPlan, RmtRunReport, RmtSummary]
_PLOT = "plots/delta_by_family"


def write_rmt_sweep(
    folder: SweepFolder, findings: Findings, *, generated_at: str, work: Work
) -> RmtSweepReport:
    """Write every file of the contract (design page 5) and the manifest, and publish the folder."""
    plan = findings.plan
    report = RmtSweepReport(
        generated_at=generated_at,
        config=rmt_options(plan),
        summaries={tier.value: summary for tier, summary in findings.summaries.items()},
        measurements=rmt_measurements(plan, findings.variants, findings.runs),
        provenance=provenance_of(plan),
        volatile=work,
    )
    policies = {tier.value: policy.policy.rmt for tier, policy in plan.policies.items()}
    title = f"{', '.join(model.label for model in plan.models)}, null {plan.null.value}: delta of edge risk"
    publish_results(
        folder,
        plan,
        report,
        report_file=REPORT,
        runs={cell.folder: data for cell, data in findings.documents.items()},
        files={
            RUNS: runs_csv(findings.runs.values()).encode(),
            PATCH: patch_yaml(report).encode(),
            SUMMARY: summary_markdown(report, policies, [f"{_PLOT}.svg"]).encode(),
            **{f"{_PLOT}.{end}": data for end, data in plot_epsilon(_panels(findings), title).items()},
        },
    )
    return report


def _panels(findings: Findings) -> list[EpsilonPanel]:
    panels = []
    for tier, summary in findings.summaries.items():
        runs = [run.rmt.families for cell, run in findings.runs.items() if cell.tier is tier]
        rmt = findings.plan.policies[tier].policy.rmt
        families = [family for family in Family if family in summary.observed.family_delta]
        panels.append(
            EpsilonPanel(
                tier=tier.value,
                deltas={family: [run[family].delta for run in runs if family in run] for family in families},
                now={family: rmt.epsilon_by_family.get(family, rmt.epsilon_default) for family in families},
                recommended=summary.recommendations.epsilon_by_family,
            )
        )
    return panels
