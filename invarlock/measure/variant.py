"""All that the weights of one variant of a model say: the model itself, or an edit laid over it."""

from __future__ import annotations

from collections.abc import Mapping

from invarlock.checkpoints.checkpoint import TensorSource
from invarlock.digests import digest_of
from invarlock.edits.benign_records import BenignEdit
from invarlock.edits.names import NOOP
from invarlock.edits.overlay import EditedCheckpoint
from invarlock.edits.planned_edit import PlannedEdit
from invarlock.errors import ModelError
from invarlock.measure.drift import UNMOVED, measure_drift
from invarlock.measure.edit_errors import ModuleChange, measure_edit_errors
from invarlock.measure.invariants import snapshot_invariants
from invarlock.measure.records import EditIdentity, EstimatorContract, VariantMeasurement, WeightMeasurement
from invarlock.measure.weights import measure_weights
from invarlock.store.measurement_store import MeasurementStore

UNEDITED = EditIdentity(name=NOOP, plan={}, digest=NOOP)


def measure_variant(
    base: TensorSource,
    digest: str,
    edit: BenignEdit | PlannedEdit | None,
    store: MeasurementStore,
    contract: EstimatorContract,
) -> VariantMeasurement:
    """Weights, invariants and drift of ``base`` under ``edit``, and the errors of a planned one; None is the base
    itself, which has not moved.

    digest: the model digest that ``base`` was identified by. Raises ModelError when its weights are others now, when
    a planned edit changes nothing or gives other weights each time, and what :func:`measure_edit_errors`,
    :func:`measure_weights`, :func:`measure_drift` and :func:`snapshot_invariants` raise.
    """
    if edit is None:
        return _measure_base(base, digest, store, contract)
    changes: Mapping[str, ModuleChange] = {}
    if isinstance(edit, PlannedEdit):
        changes = measure_edit_errors(base, edit, store)
        identity = identity_of_planned(edit, changes)
    else:
        identity = identity_of(edit)
    subject = EditedCheckpoint(base, edit)
    weights = measure_weights(subject, store, contract)
    _ensure_repeatable(identity, changes, weights)
    return VariantMeasurement(
        baseline_digest=digest,
        edit=identity,
        weights=weights,
        invariants=snapshot_invariants(subject),
        drift=measure_drift(subject, base, store, contract),
        errors={module: change.error for module, change in changes.items()},
    )


def identity_of(edit: BenignEdit) -> EditIdentity:
    """A harmless edit as reports name it. Digest: of what was asked."""
    plan = {**edit.parameters.model_dump(mode="json"), "tensors": list(edit.tensors)}
    return EditIdentity(name=f"benign:{edit.kind}", plan=plan, digest=edit.digest)


def identity_of_planned(edit: PlannedEdit, changes: Mapping[str, ModuleChange]) -> EditIdentity:
    """A planned edit as reports name it. Digest: over the new matrices of the modules that changed.

    Raises ModelError when no module did.
    """
    changed = {module: change.after for module, change in changes.items() if change.changed}
    if not changed:
        raise ModelError(
            f"the edit {edit.name} changes no bit of the {len(changes)} modules that it aims at",
            where="edit.plan",
            fix="plan a stronger edit or other modules: the weights may be on its levels already",
        )
    return EditIdentity(
        name=edit.name, plan={**edit.plan, "modules": list(edit.modules)}, digest=digest_of(changed)
    )


def _measure_base(
    base: TensorSource, digest: str, store: MeasurementStore, contract: EstimatorContract
) -> VariantMeasurement:
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


def _ensure_repeatable(
    identity: EditIdentity, changes: Mapping[str, ModuleChange], weights: WeightMeasurement
) -> None:
    """What was hashed when the errors were measured is what was measured now."""
    for module in weights.modules:
        if module.name in changes and changes[module.name].after != module.tensor_sha256:
            raise ModelError(
                f"the edit {identity.name} gives other weights each time it is done",
                where=module.name,
                fix="make its function depend on nothing but the weight and its parameters",
            )
