"""The combined files of a full calibration, and the manifest over its parts."""

from __future__ import annotations

import json
from pathlib import Path

from invarlock.calibration.full_plan import FullPlan
from invarlock.reports.full_files import PAGE, PATCH, REPORT, patch_yaml
from invarlock.reports.full_page import full_page
from invarlock.reports.full_parts import FullParts, read_parts
from invarlock.reports.full_report import FullReport, combined, full_report
from invarlock.reports.sweep_folder import MANIFEST, Manifest, SweepFolder
from invarlock.reports.sweep_report import Work


def write_full(folder: SweepFolder, plan: FullPlan, *, generated_at: str, work: Work) -> FullReport:
    """Write report, patch, page and manifest beside the parts in ``folder``, and publish all of it."""
    parts = read_parts(folder.staging)
    report = full_report(plan, parts, generated_at=generated_at, work=work)
    folder.write_json(REPORT, report.model_dump(mode="json"))
    folder.write_text(PATCH, patch_yaml(report, combined(parts)))
    folder.write_text(PAGE, full_page(report, parts, _pictures(folder.staging, report)))
    folder.publish(_manifest(folder, plan, parts, report))
    return report


def _pictures(staging: Path, report: FullReport) -> dict[str, dict[str, str]]:
    """By folder of a part, its plots as SVG by name."""
    return {
        part: {path.stem: path.read_text() for path in sorted((staging / part / "plots").glob("*.svg"))}
        for part in report.parts
    }


def _manifest(folder: SweepFolder, plan: FullPlan, parts: FullParts, report: FullReport) -> Manifest:
    of_parts = {
        part: Manifest.model_validate(json.loads((folder.staging / part / MANIFEST).read_bytes()))
        for part in report.parts
    }
    volatile = [
        f"{part}/{field}" for part, manifest in of_parts.items() for field in manifest.volatile_fields
    ]
    hashed = {field.partition(": ")[0] for field in volatile} | {REPORT}
    settled = plan.ve_sweep
    return Manifest(
        kind=report.kind,
        run_key=report.run_key,
        files=folder.hashes(),
        config_sha256=settled.config_input.sha256,
        tiers_sha256=settled.tiers_input.sha256,
        models=of_parts["ve_sweep"].models,
        datasets=tuple(sorted({name for manifest in of_parts.values() for name in manifest.datasets})),
        schedules={
            f"{part}/{name}": digest
            for part, manifest in of_parts.items()
            for name, digest in manifest.schedules.items()
        },
        code=of_parts["ve_sweep"].code,
        packages=of_parts["ve_sweep"].packages,
        volatile_fields=(
            *volatile,
            f"{REPORT}: generated_at",
            f"{REPORT}: volatile",
            *(f"{MANIFEST}: files.{name}" for name in sorted(hashed)),
            f"{MANIFEST}: code.commit",
        ),
    )
