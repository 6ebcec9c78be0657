"""All that the weights of one variant of a model say: the model itself, or an edit laid over it."""

from __future__ import annotations

from invarlock.checkpoints.checkpoint import TensorSource
from invarlock.edits.benign_records import BenignEdit
from invarlock.edits.names import NOOP
from invarlock.edits.overlay import EditedCheckpoint
from invarlock.errors import ModelError
from invarlock.measure.drift import UNMOVED, measure_drift
from invarlock.measure.invariants import snapshot_invariants
from invarlock.measure.records import EditIdentity, EstimatorContract, VariantMeasurement
from invarlock.measure.weights import measure_weights
from invarlock.store.measurement_store import MeasurementStore

UNEDITED = EditIdentity(name=NOOP, plan={}, digest=NOOP)


def measure_variant(
    base: TensorSource,
    digest: str,
    edit: BenignEdit | None,
    store: MeasurementStore,
    contract: EstimatorContract,
) -> VariantMeasurement:
    """Weights, invariants and drift of ``base`` under ``edit``; None is the base itself, which has not moved.

    digest: the model digest that ``base`` was identified by. Raises ModelError when its weights are others now, and
    what :func:`measure_weights`, :func:`measure_drift` and :func:`snapshot_invariants` raise.
    """
    if edit is None:
        weights = measure_weights(base, store, contract)
        if weights.model_digest != digest:
            raise ModelError(
                "the weights changed since the model was opened",
                where=base.root,
                fix="leave the model's files alone during a sweep, and run it again",
            )
        return VariantMeasurement(
            baseline_digest=digest,
            edit=UNEDITED,
            weights=weights,
            invariants=snapshot_invariants(base),
            drift={module.name: UNMOVED for module in weights.modules},
            errors={},
        )
    subject = EditedCheckpoint(base, edit)
    return VariantMeasurement(
        baseline_digest=digest,
        edit=identity_of(edit),
        weights=measure_weights(subject, store, contract),
        invariants=snapshot_invariants(subject),
        drift=measure_drift(subject, base, store, contract),
        errors={},
    )


def identity_of(edit: BenignEdit) -> EditIdentity:
    """The edit as reports name it."""
    plan = {**edit.parameters.model_dump(mode="json"), "tensors": list(edit.tensors)}
    return EditIdentity(name=f"benign:{edit.kind}", plan=plan, digest=edit.digest)
