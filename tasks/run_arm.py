"""Task: one model of an evaluation over preview and final windows: losses, hits and edge risk."""

from __future__ import annotations

from invarlock.calibration.sweep_plan import Arithmetic
from invarlock.data.dataset_spec import DatasetSpec
from invarlock.data.schedule import Schedule
from invarlock.edits.planned_edit import PlannedEdit
from invarlock.measure.arm import measure_arm
from invarlock.measure.edge_sites import edge_sites
from invarlock.measure.records import EstimatorContract, ModelIdentity, VariantMeasurement
from invarlock.store.documents import Reference
from tasks.caching import cached_task
from tasks.resources import checkpoint, documents, known_pool, live_variant, measurements, read_record


@cached_task(
    name="run model",
    run_name="run {model.reference}",
    key=(
        "model",
        "variant",
        "edit",
        "dataset",
        "tokenizer_hash",
        "schedule",
        "arithmetic",
        "contract",
        "count_hits",
    ),
)
def run_arm(
    model: ModelIdentity,
    variant: Reference,
    edit: PlannedEdit | None,
    dataset: DatasetSpec,
    tokenizer_hash: str,
    schedule: Schedule,
    arithmetic: Arithmetic,
    contract: EstimatorContract,
    *,
    count_hits: bool,
) -> Reference:
    """The runs of ``model`` under ``edit``; what the store holds is not run again.

    variant: the measurement of the weights that run.
    """
    weights = read_record(variant, VariantMeasurement).weights
    pool = known_pool(dataset, model.root, schedule.dataset_hash, tokenizer_hash)
    with live_variant(model, edit, weights, arithmetic) as live:
        runs = measure_arm(
            live,
            pool.select(schedule.preview + schedule.final),
            edge_sites(checkpoint(model.root)),
            measurements(),
            contract,
            count_hits=count_hits,
            batch_size=arithmetic.batch_size,
        )
    return documents().put(runs)
