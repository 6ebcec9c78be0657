"""The files of an evaluation, from its records: the report in three forms, both runs, the evidence, the manifest."""

from __future__ import annotations

from pathlib import Path

from invarlock.digests import canonical_json
from invarlock.evaluation.measured import Evidence
from invarlock.files import write_atomic
from invarlock.reports.evaluation_html import evaluation_html
from invarlock.reports.evaluation_manifest import (
    BASELINE_RUN,
    EVIDENCE,
    MARKDOWN,
    PAGE,
    REPORT,
    SUBJECT_RUN,
    manifest_of,
)
from invarlock.reports.evaluation_md import evaluation_markdown
from invarlock.reports.evaluation_report import EvaluationReport
from invarlock.reports.evaluation_run import EvaluationRun, Role
from invarlock.reports.sweep_folder import SweepFolder


def write_evaluation(
    folder: SweepFolder,
    evidence: Evidence,
    baseline: EvaluationRun,
    subject: EvaluationRun,
    report: EvaluationReport,
) -> None:
    """Write everything into ``folder``, then the manifest over it, and put it under its final name.

    The two runs and the evidence are canonical JSON: the hash of a file is the digest of its record. Markdown and page
    are made from the records as their files have them, so that whoever reads the files makes the same bytes.
    """
    for name, record in ((BASELINE_RUN, baseline), (SUBJECT_RUN, subject), (EVIDENCE, evidence)):
        write_atomic(folder.staging / name, canonical_json(record))
    for source in evidence.plan.inputs:
        folder.write_text(f"configs/{source.name}", source.text)
    folder.write_json(REPORT, report.model_dump(mode="json"))
    filed = EvaluationReport.model_validate_json(canonical_json(report))
    before, after = (EvaluationRun.model_validate_json(canonical_json(run)) for run in (baseline, subject))
    folder.write_text(MARKDOWN, evaluation_markdown(filed))
    folder.write_text(PAGE, evaluation_html(filed, before, after))
    commit = report.volatile.work.commit if report.volatile else None
    folder.publish(manifest_of(evidence.plan, folder.hashes(), commit))


def write_runs(out: Path, baseline: EvaluationRun, subject: EvaluationRun) -> dict[Role, Path]:
    """Put both runs where seed 001 looks for them: ``<out>/source/*/report.json``, ``<out>/subject/*/report.json``."""
    name = baseline.terms.run_key[:12]
    paths = {
        Role.BASELINE: out / "source" / name / "report.json",
        Role.SUBJECT: out / "subject" / name / "report.json",
    }
    for role, run in ((Role.BASELINE, baseline), (Role.SUBJECT, subject)):
        write_atomic(paths[role], canonical_json(run))
    return paths
