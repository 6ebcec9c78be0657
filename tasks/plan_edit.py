"""Task: check the config's edit against a checkpoint, and find where scales may attach. Headers only."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE

from invarlock.config import EditSpec
from invarlock.edits.plan import plan_edit as plan
from invarlock.edits.planned_edit import PlannedEdit
from invarlock.errors import ConfigError
from invarlock.measure.branch_records import Tap
from invarlock.measure.fused_experts import refuse_fused_experts
from invarlock.measure.taps import edited_taps, taps_of
from tasks.resources import checkpoint


@task(name="plan edit", task_run_name="plan {spec.name}", cache_policy=NO_CACHE, persist_result=False)
def plan_edit(root: str, spec: EditSpec) -> tuple[PlannedEdit, tuple[Tap, ...], tuple[Tap, ...]]:
    """The edit of the checkpoint in ``root``; all of its taps, and those on branches that the edit touches."""
    edit = plan(spec.name, spec.plan, checkpoint(root))
    if edit is None:
        raise ConfigError("a noop edits nothing", where="edit.name", fix="name an edit that changes weights")
    refuse_fused_experts(edit.tensors)
    return edit, taps_of(checkpoint(root)), edited_taps(checkpoint(root), edit.modules)
