"""Task: check a subject against its baseline, and the edit config's edit against it. Headers only."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE

from invarlock.config import EditSpec
from invarlock.measure.records import ModelIdentity
from invarlock.measure.subject_edit import SubjectEdit
from invarlock.measure.subject_edit import plan_subject_edit as plan
from tasks.resources import checkpoint


@task(
    name="compare models",
    task_run_name="compare {subject.reference}",
    cache_policy=NO_CACHE,
    persist_result=False,
)
def plan_subject_edit(
    baseline: ModelIdentity, subject: ModelIdentity, spec: EditSpec, seq_len: int
) -> SubjectEdit:
    """What is done to the subject; an error where the two cannot be compared."""
    return plan(checkpoint(baseline.root), checkpoint(subject.root), spec, seq_len=seq_len)
