"""What an evaluation does to its subject, and where its branches are: from headers, before any work."""

from __future__ import annotations

from invarlock.checkpoints.architectures import ARCHITECTURES
from invarlock.checkpoints.checkpoint import Checkpoint, TensorSource
from invarlock.checkpoints.effective_config import longest_window
from invarlock.config import EditSpec
from invarlock.edits.plan import plan_edit
from invarlock.edits.planned_edit import PlannedEdit
from invarlock.errors import ConfigError
from invarlock.measure.branch_records import Tap
from invarlock.measure.comparable import require_comparable
from invarlock.measure.fused_experts import refuse_fused_experts
from invarlock.measure.taps import taps_of
from invarlock.record import Record


class SubjectEdit(Record):
    """edit: as planned, None where the subject is evaluated as it is; taps: every branch of the model."""

    edit: PlannedEdit | None
    taps: tuple[Tap, ...]


def plan_subject_edit(
    baseline: Checkpoint, subject: Checkpoint, spec: EditSpec, *, seq_len: int
) -> SubjectEdit:
    """Check that the two models can be compared and take windows of ``seq_len``, and that ``spec`` fits the subject.

    Raises what :func:`require_comparable` and :func:`plan_edit` raise, ModelError for an edit that cannot run live, and
    ConfigError for windows that are too long. An architecture whose branches are not known has no taps.
    """
    require_comparable(baseline, subject)
    longest = longest_window(baseline)
    if longest is not None and seq_len > longest:
        raise ConfigError(
            f"windows of {seq_len} tokens, the model takes {longest}",
            where="dataset.seq_len of the preset",
            fix=f"lower it to {longest} or less",
        )
    edit = plan_edit(spec.name, spec.plan, subject)
    if edit is not None:
        refuse_fused_experts(edit.tensors)
    return SubjectEdit(edit=edit, taps=_known_taps(baseline))


def _known_taps(source: TensorSource) -> tuple[Tap, ...]:
    return taps_of(source) if source.model_type in ARCHITECTURES else ()
