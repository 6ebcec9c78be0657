"""The files of a null sweep, from its plan, runs and summaries."""

from __future__ import annotations

from invarlock.calibration.drift_caps import DriftCapRecommendation
from invarlock.calibration.null_plan import NullSweepPlan
from invarlock.calibration.null_records import NullSummary
from invarlock.reports.null_sweep_files import (
    PATCH,
    REPORT,
    RUNS,
    SUMMARY,
    patch_yaml,
    runs_csv,
    summary_markdown,
)
from invarlock.reports.null_sweep_report import NullSweepReport, null_measurements, null_options
from invarlock.reports.run_report import RunReport
from invarlock.reports.sweep_findings import SweepFindings
from invarlock.reports.sweep_folder import SweepFolder
from invarlock.reports.sweep_report import Work, provenance_of
from invarlock.reports.sweep_results import publish_results
from invarlock.reports.z_plot import plot_z

Findings = SweepFindings[NullSweepPlan, RunReport, NullSummary]


def write_null_sweep(
    folder: SweepFolder,
    findings: Findings,
    drift_caps: DriftCapRecommendation | None,
    *,
    generated_at: str,
    work: Work,
) -> NullSweepReport:
    """Write every file of the contract (design page 5) and the manifest, and publish the folder."""
    plan = findings.plan
    report = NullSweepReport(
        generated_at=generated_at,
        config=null_options(plan),
        summaries={tier.value: summary for tier, summary in findings.summaries.items()},
        drift_caps=drift_caps,
        measurements=null_measurements(plan, findings.variants, findings.runs),
        provenance=provenance_of(plan),
        volatile=work,
    )
    plots = _plots(findings)
    caps = {tier.value: policy.policy.spectral.family_caps for tier, policy in plan.policies.items()}
    shown = [name for name in plots if name.endswith(".svg")]
    publish_results(
        folder,
        plan,
        report,
        report_file=REPORT,
        runs={cell.folder: data for cell, data in findings.documents.items()},
        files={
            RUNS: runs_csv(findings.runs.values()).encode(),
            PATCH: patch_yaml(report).encode(),
            SUMMARY: summary_markdown(report, caps, shown).encode(),
            **plots,
        },
    )
    return report


def _plots(findings: Findings) -> dict[str, bytes]:
    """A picture for each model, by path below the results."""
    plan, tier = findings.plan, findings.plan.tiers[0]
    plots: dict[str, bytes] = {}
    for model in plan.models:
        run = findings.runs[plan.cells_of(model.label, plan.seeds[0])[0]]
        name = "plots/z_by_module" + (f"_{model.label}" if len(plan.models) > 1 else "")
        images = plot_z(
            run.spectral.modules,
            plan.policies[tier].policy.spectral.family_caps,
            findings.summaries[tier].recommendations.family_caps,
            f"{model.label}, tier {tier.value}: where each matrix stands in its family",
        )
        plots |= {f"{name}.{ending}": data for ending, data in images.items()}
    return plots
