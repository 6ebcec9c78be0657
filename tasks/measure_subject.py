"""Task: weight statistics, invariants and drift of a subject against its baseline."""

from __future__ import annotations

from invarlock.edits.planned_edit import PlannedEdit
from invarlock.measure.records import EstimatorContract, ModelIdentity
from invarlock.measure.subject import measure_subject as measure
from invarlock.store.documents import References
from tasks.caching import cached_task
from tasks.resources import checkpoint, documents, measurements

WEIGHTS, VARIANT = "weights", "variant"


@cached_task(name="measure subject", key=("subject", "baseline", "edit", "contract"))
def measure_subject(
    subject: ModelIdentity, baseline: ModelIdentity, edit: PlannedEdit | None, contract: EstimatorContract
) -> References:
    """``weights``: all that the subject's weights say; ``variant``: the measurement among it, where there is one."""
    found = measure(
        checkpoint(subject.root),
        checkpoint(baseline.root),
        subject_digest=subject.digest,
        baseline_digest=baseline.digest,
        edit=edit,
        store=measurements(),
        contract=contract,
    )
    items = {WEIGHTS: documents().put(found)}
    if found.variant is not None:
        items[VARIANT] = documents().put(found.variant)
    return References(items=items)
