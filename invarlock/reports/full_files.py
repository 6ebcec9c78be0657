"""The patch of a full calibration: every recommended key by tier, under a header that names all parts."""

from __future__ import annotations

from collections.abc import Iterator

from invarlock.policy.tiers_file import TiersFile
from invarlock.reports.full_parts import FullPart
from invarlock.reports.full_report import FullReport
from invarlock.reports.sweep_files import base_line, commented, origin_lines

REPORT = "calibration_report.json"
PATCH = "tiers_patch.yaml"
PAGE = "calibration.html"


def patch_yaml(report: FullReport, patch: TiersFile) -> str:
    """``patch`` under its header: the runs, reports and notes that its values rest on."""
    header = [
        f"Recommended settings from a calibration of {report.config.model}: for review, not yet policy.",
        *origin_lines(report.run_key, REPORT, report.content_sha256),
        base_line(report.tiers_sha256),
        *(line for folder, part in report.parts.items() for line in _lines(folder, part)),
    ]
    return commented(header, patch.given())


def _lines(folder: str, part: FullPart) -> Iterator[str]:
    yield f"{folder}: {part.title}"
    yield f"  run: {part.run_key}"
    yield f"  report: {part.report}, content sha256 {part.content_sha256}"
    yield from (f"  {note}" for note in part.notes)
    if part.patch is None:
        yield f"  no key: {part.scope}"
