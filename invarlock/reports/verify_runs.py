"""Does an evaluation report say what the two runs beside it give? A look before it is explained; verify does it all."""

from __future__ import annotations

from pathlib import Path

from invarlock.record import Record
from invarlock.reports.compare_runs import compare_runs
from invarlock.reports.evaluation_files import Document, fit, read_document, read_record
from invarlock.reports.evaluation_manifest import BASELINE_RUN, SUBJECT_RUN
from invarlock.reports.evaluation_report import EvaluationReport
from invarlock.reports.evaluation_run import EvaluationRun
from invarlock.reports.evaluation_verdict import decide_alone
from invarlock.reports.json_difference import differences
from invarlock.reports.number_text import listed
from invarlock.reports.verification import Disagreement


class CheckedReport(Record):
    """report: what may be shown. caution: what to say before it, empty where the runs give the report as it is filed.

    contradicted: the file says something else, and ``report`` is not what it says.
    """

    report: EvaluationReport
    caution: str = ""
    contradicted: bool = False


def check_report(path: Path) -> CheckedReport:
    """Compare the runs again, their hashes with it; without them, make flags and verdict again from the sections.

    ConfigError for a file that is unreadable or does not fit, and what :func:`compare_runs` raises.
    """
    document = read_document(path, EvaluationReport)
    places = {name: path.parent / name for name in (BASELINE_RUN, SUBJECT_RUN)}
    missing = [name for name, place in places.items() if not place.is_file()]
    if missing:
        return _alone(path, document, missing)
    judged = compare_runs(*(read_record(place, EvaluationRun) for place in places.values()))
    found = _first(path, document, judged, "the runs beside it give")
    if found is None:
        return CheckedReport(report=fit(document, EvaluationReport, path))
    return _contradicted(path, found, judged, "these runs")


def _alone(path: Path, document: Document, missing: list[str]) -> CheckedReport:
    report = fit(document, EvaluationReport, path)
    judged = decide_alone(report)
    found = _first(path, document, judged, "its own sections give")
    if found is not None:
        return _contradicted(path, found, judged, "these sections")
    caution = (
        f"Not checked: {listed(missing)} not found beside the report, so what follows is what it says. In the whole "
        "folder of the evaluation, run: invarlock report verify evaluation.report.json"
    )
    return CheckedReport(report=report, caution=caution)


def _contradicted(path: Path, found: Disagreement, judged: EvaluationReport, source: str) -> CheckedReport:
    caution = (
        f"Not verified: {found.sentence}. What follows is made from {source}, not from the report. "
        f"Run: invarlock report verify {path}"
    )
    return CheckedReport(report=judged, caution=caution, contradicted=True)


def _first(path: Path, document: Document, judged: EvaluationReport, source: str) -> Disagreement | None:
    said = {key: value for key, value in document.items() if key != "volatile"}
    expected = judged.model_dump(mode="json", exclude={"volatile"})
    found = next(differences(said, expected), None)
    if found is None:
        return None
    return Disagreement.of(path.name, found).model_copy(update={"expected_by": source})
