"""Task: write the two runs and the evaluation's folder, and publish it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from invarlock.evaluation.measured import Evidence
from invarlock.record import Record
from invarlock.reports.evaluation_folder import write_evaluation, write_runs
from invarlock.reports.evaluation_report import EvaluationReport, Volatile
from invarlock.reports.evaluation_run import EvaluationRun, Role
from invarlock.reports.sweep_folder import SweepFolder
from invarlock.reports.sweep_report import Work
from invarlock.store.documents import References
from tasks.judge_evaluation import BASELINE, EVIDENCE, REPORT, SUBJECT
from tasks.resources import read_record


class PublishedEvaluation(Record):
    """The report as it was written, and where the two runs are."""

    report: EvaluationReport
    runs: dict[Role, Path]


@task(name="write report", cache_policy=NO_CACHE, persist_result=False)
def publish_evaluation(folder: SweepFolder, out: Path, judged: References, work: Work) -> PublishedEvaluation:
    """Everything that an evaluation leaves on disk."""
    baseline, subject = (read_record(judged.items[name], EvaluationRun) for name in (BASELINE, SUBJECT))
    now = datetime.now(UTC).isoformat(timespec="seconds")
    report = read_record(judged.items[REPORT], EvaluationReport).model_copy(
        update={"volatile": Volatile(resolved_at=now, generated_at=now, work=work)}
    )
    runs = write_runs(out, baseline, subject)
    write_evaluation(folder, read_record(judged.items[EVIDENCE], Evidence), baseline, subject, report)
    return PublishedEvaluation(report=report, runs=runs)
