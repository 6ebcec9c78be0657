"""What the weights of a subject say, set against its baseline's; what cannot be measured is told, not raised."""

from __future__ import annotations

from collections.abc import Sequence

from invarlock.checkpoints.checkpoint import TensorSource
from invarlock.edits.planned_edit import PlannedEdit
from invarlock.errors import MeasurementError
from invarlock.measure.arm_records import ArmWeights, Failure, Part
from invarlock.measure.invariants import nonfinite_tensors, snapshot_invariants
from invarlock.measure.records import EstimatorContract
from invarlock.measure.variant import laid_over, measure_against
from invarlock.store.measurement_store import MeasurementStore

_NAMED = 5  # of the tensors that are not finite; the invariants hold the names of all


def measure_subject(
    subject: TensorSource,
    baseline: TensorSource,
    *,
    subject_digest: str,
    baseline_digest: str,
    edit: PlannedEdit | None,
    store: MeasurementStore,
    contract: EstimatorContract,
) -> ArmWeights:
    """Invariants of ``subject`` under ``edit``, then its weights and their drift from ``baseline``.

    The baseline is measured as its own subject. subject_digest, baseline_digest: the model digests that the two were
    identified by. Nothing is edited, nor are weights looked at, where a tensor of either model is not finite. Any
    MeasurementError becomes the :class:`Failure`: a damaged subject is what an evaluation is there to find.

    Raises what :func:`snapshot_invariants` and :func:`measure_against` raise as ModelError.
    """
    invariants = snapshot_invariants(subject)
    try:
        _ensure_finite(invariants.nonfinite, "subject")  # before the edit, which refuses what it cannot round
        if subject_digest != baseline_digest:
            _ensure_finite(nonfinite_tensors(baseline), "baseline")
        if edit is not None:
            invariants = snapshot_invariants(laid_over(subject, edit))
        variant = measure_against(
            subject,
            baseline,
            invariants,
            subject_digest=subject_digest,
            baseline_digest=baseline_digest,
            edit=edit,
            store=store,
            contract=contract,
        )
    except MeasurementError as error:
        # The failure is the model's, wherever it lies: a report does not depend on the folder.
        where = None if error.where is None else error.where.removeprefix(f"{subject.root}: ")
        failure = Failure(part=Part.WEIGHTS, what=error.what, where=where)
        return ArmWeights(invariants=invariants, variant=None, failure=failure)
    return ArmWeights(invariants=invariants, variant=variant, failure=None)


def _ensure_finite(nonfinite: Sequence[str], side: str) -> None:
    if nonfinite:
        raise MeasurementError(
            f"NaN or infinity in {len(nonfinite)} tensors of the {side}",
            where=", ".join(nonfinite[:_NAMED]),
            fix="repair or replace the checkpoint",
        )
