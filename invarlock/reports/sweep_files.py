"""What the text files of every sweep have in common: rows as CSV, a patch with its header, how a summary ends."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath

import yaml
from pydantic import JsonValue

from invarlock.reports.sweep_report import SweepReport

BASE = "base:"


def csv_text(rows: Sequence[Mapping[str, object]]) -> str:
    """The rows, at least one, under a line of their keys."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def patch_text(
    section: str,
    report: SweepReport,
    report_file: str,
    notes: Iterable[str],
    body: Mapping[str, Mapping[str, object]],
) -> str:
    """The recommended keys of ``section`` by tier, under a header that says where they came from.

    report_file: name of the report beside the patch; notes: header lines on what the numbers support.
    """
    header = [
        f"Recommended {section} settings from a calibration sweep: for review, not yet policy.",
        *origin_lines(report.provenance.run_key, report_file, report.content_sha256),
        base_line(report.provenance.tiers_sha256),
        *notes,
    ]
    return commented(header, {tier: {section: dict(keys)} for tier, keys in body.items()})


def origin_lines(run_key: str, report_file: str, content_sha256: str) -> list[str]:
    """Header lines of a patch: the run and the report that it comes from."""
    return [
        f"run: {run_key}",
        f"report: {report_file}, content sha256 {content_sha256}",
        "  (of its JSON with sorted keys and no spaces, without generated_at and volatile;",
        "  the hash of the file itself is in manifest.json)",
    ]


def base_line(tiers_sha256: str) -> str:
    """Header line of a patch: the file that it was made against."""
    return f"{BASE} runtime/tiers.yaml sha256 {tiers_sha256}"


def notes_of(patch: str) -> tuple[str, ...]:
    """The header lines of a patch after that of its base: what its numbers support."""
    lines = [line.removeprefix("# ") for line in patch.splitlines() if line.startswith("# ")]
    (base,) = (place for place, line in enumerate(lines) if line.startswith(BASE))
    return tuple(lines[base + 1 :])


def commented(header: Iterable[str], patch: Mapping[str, object]) -> str:
    """A YAML file: the lines of ``header`` as comments, then ``patch``."""
    return "".join(f"# {line}\n" for line in header) + yaml.safe_dump(dict(patch), sort_keys=False)


def plan_text(plan: Mapping[str, JsonValue]) -> str:
    """An edit's plan as a sentence's part."""
    return ", ".join(f"{key} {value}" for key, value in plan.items()) or "its defaults"


def closing_lines(report: SweepReport, plots: Sequence[str]) -> list[str]:
    """The end of a summary: what was measured, the pictures at the paths ``plots``, and which run it was."""
    counts = report.measurements
    return [
        "## What was measured",
        "",
        f"{counts.window_losses} distinct window losses (run by run it would be {counts.window_losses_run_by_run}), "
        f"{counts.tensor_statistics} matrices, {counts.model_digests} checkpoint(s).",
        "",
        *(f"![{PurePosixPath(plot).stem.replace('_', ' ')}]({plot})" for plot in plots),
        "",
        f"Run key `{report.provenance.run_key}`, report content sha256 `{report.content_sha256}`.",
        "",
    ]
