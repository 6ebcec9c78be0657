"""The results folder of a tau sweep."""

from __future__ import annotations

from invarlock.calibration.tau_plan import TauSweepPlan
from invarlock.calibration.tau_records import TauFindings
from invarlock.digests import digest_of, sha256_file
from invarlock.files import write_atomic
from invarlock.reports.sweep_folder import Manifest, SweepFolder, code_entry, volatile_of
from invarlock.reports.sweep_report import Work
from invarlock.reports.tau_plot import plot_tau
from invarlock.reports.tau_sweep_files import (
    PATCH,
    PLOT,
    REPORT,
    SUMMARY,
    TABLE,
    curves_csv,
    patch_yaml,
    summary_markdown,
)
from invarlock.reports.tau_sweep_report import TauProvenance, TauSweepReport
from invarlock.tau.sweep_files import write_tau_infer_sweep

OPTIONS = "configs/tau_sweep.json"


def write_tau_sweep(
    folder: SweepFolder, plan: TauSweepPlan, found: TauFindings, *, generated_at: str, work: Work
) -> TauSweepReport:
    """Write every file of the contract (design page 5) and the manifest, and publish the folder.

    The patch is left out where no tau_infer is recommended.
    """
    provenance = _provenance(plan)
    curves = write_tau_infer_sweep(
        folder.staging,
        found.sweep,
        provenance={
            "head": plan.options.head,
            "samples": found.swept.value,
            "files": {
                role: {"name": plan.options.files[role], "sha256": sha256}
                for role, sha256 in provenance.samples.items()
            },
            "run_key": plan.run_key,
        },
    )
    report = TauSweepReport(
        generated_at=generated_at,
        volatile=work,
        config=plan.options,
        swept=found.swept,
        sweep_sha256=sha256_file(curves.json_path),
        calibration=found.calibration,
        tau_train=found.tau_train,
        provenance=provenance,
    )
    folder.write_text(TABLE, curves_csv(found.sweep))
    folder.write_text(SUMMARY, summary_markdown(report, found.sweep))
    if report.record is not None:
        folder.write_text(PATCH, patch_yaml(report))
    title = f"tau_infer of head {plan.options.head}: what each threshold would do"
    recommended = found.calibration.recommendation if found.calibration else None
    for ending, data in plot_tau(found.sweep, recommended, title).items():
        write_atomic(folder.staging / f"{PLOT}.{ending}", data)
    folder.write_json(OPTIONS, plan.options.model_dump(mode="json"))
    folder.write_text(f"configs/{plan.tiers_input.name}", plan.tiers_input.text)
    folder.write_json(REPORT, report.model_dump(mode="json"))
    folder.publish(_manifest(folder, plan, report))
    return report


def _provenance(plan: TauSweepPlan) -> TauProvenance:
    question = plan.options.question
    columns = {"q_abs": question.q_abs, "labels": question.labels, "ids": question.ids}
    return TauProvenance(
        run_key=plan.run_key,
        samples={role: column.sha256 for role, column in columns.items() if column is not None},
        tiers_sha256=plan.tiers_input.sha256,
        code=plan.code,
    )


def _manifest(folder: SweepFolder, plan: TauSweepPlan, report: TauSweepReport) -> Manifest:
    provenance = report.provenance
    return Manifest(
        kind=report.kind,
        run_key=provenance.run_key,
        files=folder.hashes(),
        config_sha256=sha256_file(folder.staging / OPTIONS),
        tiers_sha256=provenance.tiers_sha256,
        models={},  # a head gives |Q|; nothing here opens it
        datasets=tuple(sorted(set(provenance.samples.values()))),
        schedules={"split": digest_of(report.calibration.split)} if report.calibration else {},
        code=code_entry(provenance.code, report.volatile.commit),
        packages=dict(provenance.code.packages),
        volatile_fields=volatile_of(REPORT),
    )
