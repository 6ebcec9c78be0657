"""Every subject of a model evaluated twice from one set of measurements: by the shipped policy, and with drift caps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.faults.finding import Finding, read_finding
from benchmarks.faults.subject_folder import write_subject
from benchmarks.faults.subjects import Subject
from benchmarks.plain_evaluation import PlainEvaluations
from invarlock.evaluation.evaluation_plan import EvaluationPlan
from invarlock.evaluation.measured import Measured
from invarlock.evaluation.settings import read_evaluation_settings
from invarlock.reports.compare_runs import compare_runs
from invarlock.reports.judge_runs import judge_runs


@dataclass(frozen=True)
class Row:
    """One subject, judged by the policy of the request, and by it with drift caps."""

    subject: Subject
    shipped: Finding
    capped: Finding


def evaluate_subjects(
    evaluations: PlainEvaluations, subjects: Iterable[Subject], edit_config: Path, folder: Path
) -> Iterator[Row]:
    """A row a subject, which is written into ``folder`` and stays there. edit_config: sets the drift caps."""
    asked = evaluations.request.model_copy(update={"edit_config": edit_config})
    with_caps = read_evaluation_settings(asked).policy
    for number, subject in enumerate(subjects):
        written = write_subject(Path(evaluations.identity.root), subject, folder / str(number))
        plan = evaluations.plan(str(written))
        measured = evaluations.measured(plan)
        capped = plan.model_copy(update={"policy": with_caps})
        yield Row(subject, _judged(plan, measured), _judged(capped, measured))


def broken_rules(rows: Iterable[Row]) -> list[str]:
    """What the suite promises and ``rows`` do not hold: a sentence each.

    What destroys the model fails, what is harmless passes, and a matrix that moved is seen with drift caps.
    """
    return [sentence for row in rows for sentence in _broken(row)]


def _broken(row: Row) -> Iterator[str]:
    name = f"{row.subject.name}, {row.subject.strength}"
    for policy, finding in (("the shipped policy", row.shipped), ("drift caps", row.capped)):
        if row.subject.harmless and finding.exit_code != 0:
            yield f"{name}: harmless, and exit {finding.exit_code} under {policy}"
        if not row.subject.harmless and finding.destructive and finding.exit_code not in (1, 3):
            yield f"{name}: ratio {finding.ratio}, and exit {finding.exit_code} under {policy}"
    moved = row.capped.drift.get("relative_change", 0.0) > 0.0
    if not row.subject.harmless and moved and not row.capped.beyond:
        yield f"{name}: matrices moved, and no drift statistic is above its cap"


def _judged(plan: EvaluationPlan, measured: Measured) -> Finding:
    runs = judge_runs(plan, measured)
    return read_finding(compare_runs(runs.baseline, runs.subject))
