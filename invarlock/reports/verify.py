"""Does an evaluation report say what its evidence says? Everything is judged again from the files, and compared.

The reports come first, so that what is named is the field that somebody changed, not only a hash.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from invarlock.digests import digest_of
from invarlock.errors import ConfigError, InvarlockError
from invarlock.evaluation.measured import Evidence
from invarlock.provenance import code_sha256
from invarlock.record import Record
from invarlock.reports.compare_runs import compare_runs
from invarlock.reports.evaluation_files import Document, EvaluationFiles, read_evaluation_files
from invarlock.reports.evaluation_manifest import BASELINE_RUN, EVIDENCE, REPORT, SUBJECT_RUN
from invarlock.reports.json_difference import ABSOLUTE, RELATIVE, count_leaves, differences
from invarlock.reports.judge_runs import judge_runs
from invarlock.reports.verification import Check, Disagreement, Verification
from invarlock.reports.verify_evidence import check_evidence
from invarlock.reports.verify_manifest import check_manifest
from invarlock.reports.verify_pages import check_pages
from invarlock.reports.verify_report import check_policy, check_z_scores

_LIMITS = (
    "Whoever edits all files of a folder so that they agree is not found by reading them. MLflow has the hashes of the "
    "files as they were when the run ended; measuring again with an empty store tells the rest.",
    "What volatile says (when, on which machine, how long, the commit, the MLflow run) and the pictures of the page "
    "are bound by the manifest's hashes alone: nothing recomputes them.",
)


def verify_evaluation(path: Path) -> Verification:
    """path: of ``evaluation.report.json``, with evidence, both runs and the manifest beside it.

    ConfigError for files that are missing, unreadable or of another schema version: see ``read_evaluation_files``.
    """
    files = read_evaluation_files(path)
    evidence = check_evidence(files)
    judged = _judge_again(files) if evidence.agrees else ()
    records = (evidence, *judged, check_policy(files), check_z_scores(files))
    named = {each.file for check in records for each in check.disagreements}
    pages = () if named else (check_pages(files),)  # made from the records, which must be true first
    return Verification(
        report=str(path),
        run_key=files.evidence.plan.run_key,
        checks=(*records, check_manifest(files, named), *pages),
        notes=tuple(_notes(files.evidence)),
        limits=_LIMITS,
    )


def _judge_again(files: EvaluationFiles) -> tuple[Check, ...]:
    """All three reports from the evidence, the evaluation's first."""
    try:
        runs = judge_runs(files.evidence.plan, files.evidence.measured)
        report = compare_runs(runs.baseline, runs.subject)
    except InvarlockError as error:
        raise ConfigError(
            f"the evidence cannot be judged: {error.what}",
            where=files.folder / EVIDENCE,
            fix="make the evaluation again",
        ) from error
    baseline = _compare(BASELINE_RUN, files.baseline, runs.baseline)
    subject = _compare(SUBJECT_RUN, files.subject, runs.subject)
    report = report.model_copy(
        update={
            "baseline_ref": report.baseline_ref.model_copy(update=_own_hash(baseline, files.baseline)),
            "subject_ref": report.subject_ref.model_copy(update=_own_hash(subject, files.subject)),
        }
    )
    said = {key: value for key, value in files.report.items() if key != "volatile"}
    return _compare(REPORT, said, report), baseline, subject


def _own_hash(check: Check, run: Document) -> dict[str, str]:
    """The hash of a run that agrees is that of its file: rounding of another numpy would change the recomputed one."""
    return {"run_sha256": digest_of(run)} if check.agrees else {}


def _compare(name: str, said: Document, record: Record) -> Check:
    expected = record.model_dump(mode="json", exclude={"volatile"})
    return Check(
        what=f"{name}, judged again from {EVIDENCE}",
        compared=count_leaves(expected),
        disagreements=tuple(Disagreement.of(name, each) for each in differences(said, expected)),
    )


def _notes(evidence: Evidence) -> Iterator[str]:
    yield (
        f"Numbers agree within a share of {RELATIVE:g}, or {ABSOLUTE:g} of 0: builds of numpy round the bootstrap's "
        "sums differently. Everything else agrees exactly."
    )
    made = evidence.plan.code
    if made.sha256 != code_sha256():
        yield (
            f"The evaluation was made by other code than this (invarlock {made.version}, sha256 {made.sha256[:12]}; "
            f"here {code_sha256()[:12]}): what changed between the two shows as a disagreement."
        )
