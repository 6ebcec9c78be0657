"""Task: how long the loss of a window takes. Once for a host, so that a repeat measures nothing."""

from __future__ import annotations

from invarlock.calibration.sweep_plan import Arithmetic
from invarlock.data.dataset_spec import DatasetSpec
from invarlock.data.schedule import Schedule
from invarlock.measure.records import ModelIdentity, VariantMeasurement
from invarlock.measure.window_timing import time_windows as measure
from invarlock.store.documents import Reference
from tasks.caching import cached_task
from tasks.resources import documents, known_pool, live_variant, read_record


@cached_task(
    name="time windows",
    key=("model", "variant", "dataset", "tokenizer_hash", "schedule", "arithmetic", "host"),
)
def time_windows(
    model: ModelIdentity,
    variant: Reference,
    dataset: DatasetSpec,
    tokenizer_hash: str,
    schedule: Schedule,
    arithmetic: Arithmetic,
    *,
    host: str,
) -> Reference:
    """The timing of ``model`` on the first final windows of ``schedule``; host: the machine that this runs on."""
    weights = read_record(variant, VariantMeasurement).weights
    windows = known_pool(dataset, model.root, schedule.dataset_hash, tokenizer_hash).select(schedule.final)
    with live_variant(model, None, weights, arithmetic) as live:
        return documents().put(measure(live, windows, batch_size=arithmetic.batch_size))
