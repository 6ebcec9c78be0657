"""Task: check the config's edit against a checkpoint, and find where scales may attach. Headers only."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE

from invarlock.config import EditSpec
from invarlock.measure.branch_edit import BranchEdit, plan_branch_edit
from tasks.resources import checkpoint


@task(name="plan edit", task_run_name="plan {spec.name}", cache_policy=NO_CACHE, persist_result=False)
def plan_edit(root: str, spec: EditSpec, *, config: str) -> BranchEdit:
    """The edit of the checkpoint in ``root`` that the file ``config`` asks for."""
    return plan_branch_edit(spec, checkpoint(root), config=config)
