"""Fill a sweep's results folder, whatever its kind, and publish it: runs, inputs, report, files, manifest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from invarlock.calibration.sweep_plan import M, SweepPlan
from invarlock.files import write_atomic
from invarlock.reports.sweep_folder import Manifest, SweepFolder, code_entry, volatile_of
from invarlock.reports.sweep_report import SweepReport


def publish_results(
    folder: SweepFolder,
    plan: SweepPlan[M],
    report: SweepReport,
    *,
    report_file: str,
    runs: Mapping[str, bytes],
    files: Mapping[str, bytes],
) -> None:
    """Write everything into ``folder``, then the manifest over it, and put it under its final name.

    runs: folder of a cell to its report as it was hashed; files: path below the results to content.
    """
    for cell, data in runs.items():
        write_atomic(folder.staging / cell / "report.json", data)
    for source in plan.inputs:
        folder.write_text(f"configs/{source.name}", source.text)
    for name, data in files.items():
        write_atomic(folder.staging / name, data)
    folder.write_json(report_file, report.model_dump(mode="json"))
    folder.publish(_manifest(folder, plan, report, report_file))


def sweep_files(out: Path) -> Mapping[str, Path]:
    """The files of a published sweep but for the runs, which are logged one by one."""
    files = (path for path in sorted(out.rglob("*")) if path.is_file())
    named = {path.relative_to(out).as_posix(): path for path in files}
    return {name: path for name, path in named.items() if not name.startswith("runs/")}


def _manifest(folder: SweepFolder, plan: SweepPlan[M], report: SweepReport, report_file: str) -> Manifest:
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
        code=code_entry(provenance.code, report.volatile.commit),
        packages=dict(provenance.code.packages),
        volatile_fields=volatile_of(report_file),
    )
