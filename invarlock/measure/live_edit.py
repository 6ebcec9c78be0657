"""An edit that a config asks for: planned, and able to run live."""

from __future__ import annotations

from invarlock.checkpoints.checkpoint import TensorSource
from invarlock.config import EditSpec
from invarlock.edits.plan import plan_edit
from invarlock.edits.planned_edit import PlannedEdit
from invarlock.errors import ConfigError
from invarlock.measure.fused_experts import refuse_fused_experts


def plan_live_edit(spec: EditSpec, source: TensorSource, *, config: str) -> PlannedEdit:
    """Check ``spec`` against a checkpoint from its headers, before any work.

    config: the file that the edit comes from, for messages. Raises ConfigError for an edit or plan that does not fit,
    ModelError for an edit that cannot run live.
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
    return edit
