"""Task: the losses of one variant of a model on the windows of one seed's schedule."""

from __future__ import annotations

from invarlock.calibration.sweep_plan import Arithmetic
from invarlock.data.dataset_spec import DatasetSpec
from invarlock.data.schedule import Schedule
from invarlock.edits.benign_records import BenignEdit
from invarlock.measure.losses import measure_losses
from invarlock.measure.records import LossRecord, ModelIdentity, VariantMeasurement
from invarlock.store.documents import Reference
from tasks.caching import cached_task
from tasks.resources import documents, known_pool, live_variant, measurements, read_record


@cached_task(
    name="run windows",
    run_name="run windows seed {schedule.seed}",
    key=("model", "variant", "dataset", "tokenizer_hash", "schedule", "arithmetic"),
)
def run_windows(
    model: ModelIdentity,
    variant: Reference,
    edit: BenignEdit | None,
    dataset: DatasetSpec,
    tokenizer_hash: str,
    schedule: Schedule,
    arithmetic: Arithmetic,
) -> Reference:
    """Losses of every preview and final window of ``schedule``; those in the store are not run again.

    variant: the measurement of the weights that run, ``model`` under ``edit``.
    """
    weights = read_record(variant, VariantMeasurement).weights
    pool = known_pool(dataset, model.root, schedule.dataset_hash, tokenizer_hash)
    windows = pool.select(schedule.preview + schedule.final)
    with live_variant(model, edit, weights, arithmetic) as live:
        losses = measure_losses(live, windows, measurements(), batch_size=arithmetic.batch_size)
    return documents().put(LossRecord(losses=losses))
