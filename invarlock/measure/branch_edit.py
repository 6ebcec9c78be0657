"""An edit whose effect on branches is to be tested: planned, able to run live, and touching some of them."""

from __future__ import annotations

from dataclasses import dataclass

from invarlock.checkpoints.checkpoint import TensorSource
from invarlock.config import EditSpec
from invarlock.edits.planned_edit import PlannedEdit
from invarlock.measure.branch_records import Tap
from invarlock.measure.live_edit import plan_live_edit
from invarlock.measure.taps import edited_taps, taps_of


@dataclass(frozen=True)
class BranchEdit:
    """edit: as planned; taps: every branch of the model; edited: those that the edit touches."""

    edit: PlannedEdit
    taps: tuple[Tap, ...]
    edited: tuple[Tap, ...]


def plan_branch_edit(spec: EditSpec, source: TensorSource, *, config: str) -> BranchEdit:
    """Check ``spec`` against a checkpoint from its headers, before any work.

    Raises what :func:`plan_live_edit` raises, and ModelError for a model without branches or an edit that touches none.
    """
    edit = plan_live_edit(spec, source, config=config)
    return BranchEdit(edit, taps_of(source), edited_taps(source, edit.modules))
