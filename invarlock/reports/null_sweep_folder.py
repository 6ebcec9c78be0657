"""Fill a null sweep's results folder from its plan, runs and summaries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from invarlock.calibration.drift_caps import DriftCapRecommendation
from invarlock.calibration.null_plan import Cell, NullSweepPlan, PlannedModel
from invarlock.calibration.null_records import NullSummary
from invarlock.digests import sha256_file
from invarlock.files import write_atomic
from invarlock.measure.records import VariantMeasurement
from invarlock.policy.schema import Tier
from invarlock.reports.null_sweep_files import (
    PATCH,
    REPORT,
    RUNS,
    SUMMARY,
    patch_yaml,
    runs_csv,
    summary_markdown,
)
from invarlock.reports.null_sweep_report import (
    NullSweepReport,
    Work,
    distinct_measurements,
    provenance_of,
    settings_of,
)
from invarlock.reports.run_report import RunReport
from invarlock.reports.sweep_folder import Manifest, SweepFolder
from invarlock.reports.z_plot import plot_z


@dataclass(frozen=True)
class NullSweepFindings:
    """What a finished sweep found. runs: every cell's report; documents: its bytes as they were hashed."""

    plan: NullSweepPlan
    variants: Sequence[VariantMeasurement]
    runs: Mapping[Cell, RunReport]
    documents: Mapping[Cell, bytes]
    summaries: Mapping[Tier, NullSummary]
    drift_caps: DriftCapRecommendation | None


def write_null_sweep(
    folder: SweepFolder,
    findings: NullSweepFindings,
    *,
    generated_at: str,
    work: Work,
) -> NullSweepReport:
    """Write every file of the contract (design page 5) and the manifest, and publish the folder."""
    plan = findings.plan
    report = NullSweepReport(
        generated_at=generated_at,
        config=settings_of(plan),
        summaries={tier.value: summary for tier, summary in findings.summaries.items()},
        drift_caps=findings.drift_caps,
        measurements=distinct_measurements(plan, findings.variants, findings.runs),
        provenance=provenance_of(plan),
        volatile=work,
    )
    for cell, data in findings.documents.items():
        write_atomic(folder.staging / plan.cell_folder(cell) / "report.json", data)
    for source in plan.inputs:
        folder.write_text(f"configs/{source.name}", source.text)
    _write_plots(folder, findings)
    caps = {tier.value: policy.policy.spectral.family_caps for tier, policy in plan.policies.items()}
    folder.write_json(REPORT, report.model_dump(mode="json"))
    folder.write_text(RUNS, runs_csv(findings.runs.values()))
    folder.write_text(PATCH, patch_yaml(report))
    folder.write_text(
        SUMMARY, summary_markdown(report, caps, [f"{plot_name(plan, model)}.svg" for model in plan.models])
    )
    folder.publish(_manifest(folder, plan, report))
    return report


def sweep_files(out: Path) -> Mapping[str, Path]:
    """The files of a published sweep but for the runs, which are logged one by one."""
    files = (path for path in sorted(out.rglob("*")) if path.is_file())
    named = {path.relative_to(out).as_posix(): path for path in files}
    return {name: path for name, path in named.items() if not name.startswith("runs/")}


def patch_sha256(out: Path) -> str:
    """Hex SHA-256 of the published patch."""
    return sha256_file(out / PATCH)


def _write_plots(folder: SweepFolder, findings: NullSweepFindings) -> None:
    plan = findings.plan
    for model in plan.models:
        tier = plan.tiers[0]
        run = findings.runs[Cell(model=model.label, tier=tier, seed=plan.seeds[0])]
        images = plot_z(
            run.spectral.modules,
            plan.policies[tier].policy.spectral.family_caps,
            findings.summaries[tier].recommendations.family_caps,
            f"{model.label}, tier {tier.value}: where each matrix stands in its family",
        )
        for ending, data in images.items():
            write_atomic(folder.staging / f"{plot_name(plan, model)}.{ending}", data)


def plot_name(plan: NullSweepPlan, model: PlannedModel) -> str:
    """Path of a model's plot below the results, without its ending."""
    return "plots/z_by_module" + (f"_{model.label}" if len(plan.models) > 1 else "")


def _manifest(folder: SweepFolder, plan: NullSweepPlan, report: NullSweepReport) -> Manifest:
    provenance = report.provenance
    return Manifest(
        kind=report.kind,
        run_key=provenance.run_key,
        files=folder.hashes(),
        config_sha256=plan.config_input.sha256,
        tiers_sha256=plan.tiers_input.sha256,
        models=dict(provenance.models),
        datasets=tuple(sorted(set(provenance.datasets.values()))),
        schedules=dict(provenance.schedules),
        code={
            "version": provenance.code.version,
            "sha256": provenance.code.sha256,
            "commit": report.volatile.commit,
        },
        packages=dict(provenance.code.packages),
        volatile_fields=(
            f"{REPORT}: generated_at",
            f"{REPORT}: volatile",
            f"manifest.json: files.{REPORT}",
            "manifest.json: code.commit",
        ),
    )
