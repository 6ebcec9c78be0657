"""Task: weight statistics, invariants and drift of one variant of a model."""

from __future__ import annotations

from invarlock.edits.benign import BenignEdit
from invarlock.measure.records import EstimatorContract
from invarlock.measure.variant import measure_variant as measure
from invarlock.store.documents import Reference
from tasks.caching import cached_task
from tasks.resources import checkpoint, documents, measurements


@cached_task(name="measure weights", key=("digest", "edit", "contract"))
def measure_variant(
    root: str, digest: str, edit: BenignEdit | None, contract: EstimatorContract
) -> Reference:
    """The measurement of the checkpoint in ``root`` (model digest ``digest``) under ``edit``."""
    return documents().put(measure(checkpoint(root), edit, measurements(), contract))
