"""Task: check the config's edit against a checkpoint. Headers only."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE

from invarlock.config import EditSpec
from invarlock.edits.planned_edit import PlannedEdit
from invarlock.measure.live_edit import plan_live_edit as plan
from tasks.resources import checkpoint


@task(name="plan edit", task_run_name="plan {spec.name}", cache_policy=NO_CACHE, persist_result=False)
def plan_live_edit(root: str, spec: EditSpec, *, config: str) -> PlannedEdit:
    """The edit of the checkpoint in ``root`` that the file ``config`` asks for."""
    return plan(spec, checkpoint(root), config=config)
