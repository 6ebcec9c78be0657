"""What the header of a sweep's patch says: which run it came from, and which policy it is meant for."""

from __future__ import annotations

import re
from pathlib import Path

from invarlock.errors import PromotionError
from invarlock.record import Record

AGAIN = "run the same calibration again with --fresh: measurements are kept, recommendations made anew"
_SHA256 = r"([0-9a-f]{64})"
_RUN = re.compile(rf"^# run: {_SHA256}$", re.MULTILINE)
_REPORT = re.compile(rf"^# report: (\S+), content sha256 {_SHA256}$", re.MULTILINE)
_BASE = re.compile(rf"^# base: runtime/tiers\.yaml sha256 {_SHA256}$", re.MULTILINE)


class PatchHeader(Record):
    """As written by ``invarlock.reports.sweep_files.patch_text``; every digest is hex SHA-256."""

    run_key: str
    report_file: str
    report_content_sha256: str
    base_sha256: str


def read_header(patch: str, path: Path) -> PatchHeader:
    """The header of the text in ``path``. Raises PromotionError when a line is missing, or is there twice."""
    report_file, report_sha256 = _only(_REPORT, patch, "report", path)
    return PatchHeader(
        run_key=_only(_RUN, patch, "run", path)[0],
        report_file=report_file,
        report_content_sha256=report_sha256,
        base_sha256=_only(_BASE, patch, "base", path)[0],
    )


def ensure_for(header: PatchHeader, live_sha256: str, where: Path | str | None = None) -> None:
    """PromotionError unless the patch was made for the policy that is in force, ``live_sha256``."""
    if header.base_sha256 != live_sha256:
        raise PromotionError(
            f"the patch is stale: it is for the policy {header.base_sha256[:12]}, and {live_sha256[:12]} is in force",
            where=where,
            fix=AGAIN,
        )


def _only(line: re.Pattern[str], patch: str, name: str, path: Path) -> tuple[str, ...]:
    found = list(line.finditer(patch))
    if len(found) != 1:
        raise PromotionError(
            f"the patch has {len(found) or 'no'} header lines `# {name}: ...`, so nobody can say what it came from",
            where=path,
            fix="request the patch as `invarlock calibrate` wrote it; a change by hand is no promotion",
        )
    return found[0].groups()
