"""An edit whose effect on branches is to be tested: planned, able to run live, and touching some of them."""

from __future__ import annotations

from dataclasses import dataclass

from invarlock.checkpoints.checkpoint import TensorSource
from invarlock.config import EditSpec
from invarlock.edits.plan import plan_edit
from invarlock.edits.planned_edit import PlannedEdit
from invarlock.errors import ConfigError
from invarlock.measure.branch_records import Tap
from invarlock.measure.fused_experts import refuse_fused_experts
from invarlock.measure.taps import edited_taps, taps_of


@dataclass(frozen=True)
class BranchEdit:
    """edit: as planned; taps: every branch of the model; edited: those that the edit touches."""

    edit: PlannedEdit
    taps: tuple[Tap, ...]
    edited: tuple[Tap, ...]


def plan_branch_edit(spec: EditSpec, source: TensorSource, *, config: str) -> BranchEdit:
    """Check ``spec`` against a checkpoint from its headers, before any work.

    config: the file that the edit comes from, for messages. Raises ConfigError for an edit or plan that does not fit,
    ModelError for a model without branches, or an edit that touches none or cannot run live.
    """
    try:
        edit = plan_edit(spec.name, spec.plan, source)
    except ConfigError as error:
        raise ConfigError(error.what, where=f"{config}: {error.where}", fix=error.fix) from error
    if edit is None:
        raise ConfigError(
            "a noop edits nothing", where=f"{config}: edit.name", fix="name an edit that changes weights"
        )
    refuse_fused_experts(edit.tensors)
    return BranchEdit(edit, taps_of(source), edited_taps(source, edit.modules))
