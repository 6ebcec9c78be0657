"""Task: weight statistics, invariants and drift of one variant of a model."""

from __future__ import annotations

from invarlock.edits.benign_records import BenignEdit
from invarlock.edits.planned_edit import PlannedEdit
from invarlock.measure.records import EstimatorContract, ModelIdentity
from invarlock.measure.variant import measure_variant as measure
from invarlock.store.documents import Reference
from tasks.caching import cached_task
from tasks.resources import checkpoint, documents, measurements


@cached_task(name="measure weights", key=("model", "edit", "contract"))
def measure_variant(
    model: ModelIdentity, edit: BenignEdit | PlannedEdit | None, contract: EstimatorContract
) -> Reference:
    """The measurement of ``model`` under ``edit``."""
    return documents().put(measure(checkpoint(model.root), model.digest, edit, measurements(), contract))
