"""Task: losses and branch moments of one variant of a model on the calibration windows of one seed."""

from __future__ import annotations

from invarlock.calibration.sweep_plan import Arithmetic
from invarlock.data.dataset_spec import DatasetSpec
from invarlock.data.schedule import Schedule
from invarlock.edits.planned_edit import PlannedEdit
from invarlock.measure.branch_records import Tap
from invarlock.measure.branches import measure_branches
from invarlock.measure.records import ModelIdentity, VariantMeasurement
from invarlock.store.documents import Reference
from tasks.caching import cached_task
from tasks.resources import documents, known_pool, live_variant, measurements, read_record


@cached_task(
    name="run branches",
    run_name="run branches seed {schedule.seed}",
    key=("model", "variant", "taps", "dataset", "tokenizer_hash", "schedule", "arithmetic"),
)
def run_branches(
    model: ModelIdentity,
    variant: Reference,
    edit: PlannedEdit | None,
    taps: tuple[Tap, ...],
    dataset: DatasetSpec,
    tokenizer_hash: str,
    schedule: Schedule,
    arithmetic: Arithmetic,
) -> Reference:
    """One pass of every calibration window of ``schedule``; those in the store are not run again.

    variant: the measurement of the weights that run, ``model`` under ``edit``.
    """
    weights = read_record(variant, VariantMeasurement).weights
    windows = known_pool(dataset, model.root, schedule.dataset_hash, tokenizer_hash).select(
        schedule.calibration
    )
    with live_variant(model, edit, weights, arithmetic) as live:
        record = measure_branches(live, windows, taps, measurements(), batch_size=arithmetic.batch_size)
    return documents().put(record)
