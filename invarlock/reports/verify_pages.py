"""Do the Markdown and the page say what the records say? Both are written again: they are made from nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from invarlock.provenance import code_sha256
from invarlock.reports.evaluation_files import EvaluationFiles, fit
from invarlock.reports.evaluation_html import evaluation_html
from invarlock.reports.evaluation_manifest import BASELINE_RUN, MARKDOWN, PAGE, REPORT, SUBJECT_RUN
from invarlock.reports.evaluation_md import evaluation_markdown
from invarlock.reports.evaluation_report import EvaluationReport
from invarlock.reports.evaluation_run import EvaluationRun
from invarlock.reports.verification import Check, Disagreement

_BEFORE, _SHOWN = 20, 80  # characters shown before the first that differs, and in all


def check_pages(files: EvaluationFiles) -> Check:
    """Of a report and runs that agree with their evidence. Other code words them otherwise: then by hash alone.

    Of the pictures only their places are compared, as another matplotlib draws other bytes. ConfigError for a
    ``volatile`` that does not fit its schema.
    """
    what = f"{MARKDOWN} and {PAGE}"
    if files.evidence.plan.code.sha256 != code_sha256():
        return Check(what=f"{what}: not written again, as other code made them; by hash alone", compared=0)
    report = fit(files.report, EvaluationReport, files.folder / REPORT)
    baseline = fit(files.baseline, EvaluationRun, files.folder / BASELINE_RUN)
    subject = fit(files.subject, EvaluationRun, files.folder / SUBJECT_RUN)
    written = {MARKDOWN: evaluation_markdown(report), PAGE: evaluation_html(report, baseline, subject)}
    found = (each for name, text in written.items() for each in _compare(files, name, text))
    return Check(what=f"{what}, written again from the records", compared=2, disagreements=tuple(found))


def _compare(files: EvaluationFiles, name: str, expected: str) -> Iterator[Disagreement]:
    path = files.folder / name
    if not path.is_file():
        return  # the check of the manifest says so
    ours = _without_pictures(path.read_bytes().decode(errors="replace"))
    theirs = _without_pictures(expected)
    if ours == theirs:
        return
    pairs = enumerate(zip(ours, theirs, strict=False))
    same = next((place for place, (our, their) in pairs if our != their), min(len(ours), len(theirs)))
    yield Disagreement(
        file=name,
        path=f"line {ours.count(chr(10), 0, same) + 1}",
        said=_around(ours, same),
        expected=_around(theirs, same),
        said_by="the file says",
        expected_by="written again it says",
    )


def _without_pictures(text: str) -> str:
    return re.sub("<svg.*?</svg>", "<svg/>", text, flags=re.DOTALL)


def _around(text: str, place: int) -> str:
    start = max(0, place - _BEFORE)
    return json.dumps(text[start : start + _SHOWN], ensure_ascii=False)
