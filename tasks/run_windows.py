"""Task: the losses of one variant of a model on the windows of one seed's schedule."""

from __future__ import annotations

from invarlock.calibration.null_plan import Arithmetic
from invarlock.data.dataset_spec import DatasetSpec
from invarlock.data.schedule import Schedule
from invarlock.edits.benign import BenignEdit
from invarlock.measure.losses import measure_losses
from invarlock.measure.records import LossRecord, VariantMeasurement
from invarlock.store.documents import Reference
from tasks.caching import cached_task
from tasks.resources import documents, live_variant, measurements, read_record, window_pool


@cached_task(
    name="run windows",
    run_name="run windows seed {schedule.seed}",
    key=("variant", "dataset", "schedule", "arithmetic"),
)
def run_windows(
    root: str,
    digest: str,
    variant: Reference,
    edit: BenignEdit | None,
    dataset: DatasetSpec,
    schedule: Schedule,
    arithmetic: Arithmetic,
) -> Reference:
    """Losses of every preview and final window of ``schedule``; those in the store are not run again.

    variant: the measurement of the weights that run: the checkpoint in ``root`` (digest ``digest``) under ``edit``.
    """
    edited = read_record(variant, VariantMeasurement).weights.model_digest
    windows = window_pool(dataset, root).select(schedule.preview + schedule.final)
    with live_variant(root, digest, edit, edited, arithmetic) as model:
        losses = measure_losses(model, windows, measurements(), batch_size=arithmetic.batch_size)
    return documents().put(LossRecord(losses=losses))
