"""Task: the losses of an edited model under every scale set that one seed's cells propose."""

from __future__ import annotations

from invarlock.calibration.sweep_plan import Arithmetic
from invarlock.calibration.ve_proposals import SeedProposals
from invarlock.data.dataset_spec import DatasetSpec
from invarlock.data.schedule import Schedule
from invarlock.edits.planned_edit import PlannedEdit
from invarlock.measure.branch_records import ScaledRecord
from invarlock.measure.records import ModelIdentity, VariantMeasurement
from invarlock.measure.scaled_losses import ScaledRequest, measure_scaled
from invarlock.store.documents import Reference
from tasks.caching import cached_task
from tasks.resources import documents, known_pool, live_variant, measurements, read_record


@cached_task(
    name="run scaled",
    run_name="run scaled seed {schedule.seed}",
    key=("model", "variant", "proposals", "dataset", "tokenizer_hash", "schedule", "arithmetic"),
)
def run_scaled(
    model: ModelIdentity,
    variant: Reference,
    edit: PlannedEdit | None,
    proposals: Reference,
    dataset: DatasetSpec,
    tokenizer_hash: str,
    schedule: Schedule,
    arithmetic: Arithmetic,
) -> Reference:
    """Each scale set on the first of the seed's calibration windows, as many as its cells decide on."""
    weights = read_record(variant, VariantMeasurement).weights
    windows = known_pool(dataset, model.root, schedule.dataset_hash, tokenizer_hash).select(
        schedule.calibration
    )
    requests = [
        ScaledRequest(scales=test.scales, windows=windows[: test.windows])
        for test in read_record(proposals, SeedProposals).tests
    ]
    with live_variant(model, edit, weights, arithmetic) as live:
        sets = measure_scaled(live, requests, measurements(), batch_size=arithmetic.batch_size)
    return documents().put(ScaledRecord(sets=sets))
