"""Task: losses and edge risks of one variant of a model on one set of windows."""

from __future__ import annotations

from invarlock.calibration.sweep_plan import Arithmetic
from invarlock.data.dataset_spec import DatasetSpec
from invarlock.data.schedule import Schedule
from invarlock.edits.benign_records import BenignEdit
from invarlock.measure.edge_risk import measure_edge_risk
from invarlock.measure.edge_sites import edge_sites
from invarlock.measure.records import EstimatorContract, ModelIdentity, VariantMeasurement
from invarlock.store.documents import Reference
from tasks.caching import cached_task
from tasks.resources import checkpoint, documents, known_pool, live_variant, measurements, read_record


@cached_task(
    name="run edges",
    run_name="run edges seed {schedule.seed}",
    key=("model", "variant", "dataset", "tokenizer_hash", "schedule", "windows", "arithmetic", "contract"),
)
def run_edges(
    model: ModelIdentity,
    variant: Reference,
    edit: BenignEdit | None,
    dataset: DatasetSpec,
    tokenizer_hash: str,
    schedule: Schedule,
    windows: tuple[str, ...],
    arithmetic: Arithmetic,
    contract: EstimatorContract,
) -> Reference:
    """One pass of each of ``windows``, ids out of ``schedule``; those in the store are not run again.

    variant: the measurement of the weights that run, ``model`` under ``edit``.
    """
    weights = read_record(variant, VariantMeasurement).weights
    pool = known_pool(dataset, model.root, schedule.dataset_hash, tokenizer_hash)
    with live_variant(model, edit, weights, arithmetic) as live:
        record = measure_edge_risk(
            live,
            pool.select(windows),
            edge_sites(checkpoint(model.root)),
            measurements(),
            contract,
            batch_size=arithmetic.batch_size,
        )
    return documents().put(record)
