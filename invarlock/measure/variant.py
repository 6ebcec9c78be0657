"""All that the weights of one variant of a model say: the model itself, an edit laid over it, or another checkpoint."""

from __future__ import annotations

from collections.abc import Mapping

from invarlock.checkpoints.checkpoint import TensorSource
from invarlock.digests import digest_of
from invarlock.edits.benign_records import BenignEdit
from invarlock.edits.names import CHECKPOINT, NOOP
from invarlock.edits.overlay import EditedCheckpoint
from invarlock.edits.planned_edit import PlannedEdit
from invarlock.errors import ModelError
from invarlock.measure.drift import UNMOVED, measure_drift, same_modules
from invarlock.measure.edit_errors import ModuleChange, measure_edit_errors
from invarlock.measure.invariants import snapshot_invariants
from invarlock.measure.records import (
    Drift,
    EditIdentity,
    EstimatorContract,
    InvariantsSnapshot,
    VariantMeasurement,
    WeightMeasurement,
)
from invarlock.measure.weights import measure_weights
from invarlock.store.measurement_store import MeasurementStore

UNEDITED = EditIdentity(name=NOOP, plan={}, digest=NOOP)

Edit = BenignEdit | PlannedEdit


def measure_variant(
    base: TensorSource, digest: str, edit: Edit | None, store: MeasurementStore, contract: EstimatorContract
) -> VariantMeasurement:
    """Weights, invariants and drift of ``base`` under ``edit``, and the errors of a planned one; None is the base
    itself, which has not moved.

    digest: the model digest that ``base`` was identified by. Raises what :func:`measure_against` and
    :func:`snapshot_invariants` raise.
    """
    return measure_against(
        base,
        base,
        snapshot_invariants(laid_over(base, edit)),
        subject_digest=digest,
        baseline_digest=digest,
        edit=edit,
        store=store,
        contract=contract,
    )


def measure_against(
    base: TensorSource,
    baseline: TensorSource,
    invariants: InvariantsSnapshot,
    *,
    subject_digest: str,
    baseline_digest: str,
    edit: Edit | None,
    store: MeasurementStore,
    contract: EstimatorContract,
) -> VariantMeasurement:
    """Weights of ``base`` under ``edit``, the errors of a planned one, and drift from ``baseline``.

    invariants: of ``base`` under ``edit``; subject_digest, baseline_digest: the model digests that ``base`` and
    ``baseline`` were identified by. Without an edit the weights are those of a checkpoint, an edit by name unless every
    tensor is the baseline's. Where one side has modules that the other lacks there is no drift of any.

    Raises ModelError when the weights of ``base`` are others now, when a planned edit changes nothing or gives other
    weights each time, and what :func:`measure_edit_errors`, :func:`measure_weights` and :func:`measure_drift` raise.
    """
    changes = measure_edit_errors(base, edit, store) if isinstance(edit, PlannedEdit) else {}
    identity = _identify(edit, changes, subject_digest, baseline_digest)
    subject = laid_over(base, edit)
    weights = measure_weights(subject, store, contract)
    if edit is None:
        _ensure_unchanged(base, subject_digest, weights)
    _ensure_repeatable(identity, changes, weights)
    return VariantMeasurement(
        baseline_digest=baseline_digest,
        edit=identity,
        weights=weights,
        invariants=invariants,
        drift=_drift(subject, baseline, weights, baseline_digest, store),
        errors={module: change.error for module, change in changes.items()},
    )


def laid_over(base: TensorSource, edit: Edit | None) -> TensorSource:
    """``base`` under ``edit``."""
    return base if edit is None else EditedCheckpoint(base, edit)


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


def _identify(
    edit: Edit | None, changes: Mapping[str, ModuleChange], digest: str, baseline_digest: str
) -> EditIdentity:
    if isinstance(edit, PlannedEdit):
        return identity_of_planned(edit, changes)
    if edit is not None:
        return identity_of(edit)
    if digest == baseline_digest:
        return UNEDITED
    return EditIdentity(name=CHECKPOINT, plan={}, digest=digest)


def _drift(
    subject: TensorSource,
    baseline: TensorSource,
    weights: WeightMeasurement,
    baseline_digest: str,
    store: MeasurementStore,
) -> Mapping[str, Drift]:
    if not same_modules(subject, baseline):
        return {}
    if weights.model_digest == baseline_digest:
        return {module.name: UNMOVED for module in weights.modules}
    return measure_drift(subject, baseline, store, weights.contract)


def _ensure_unchanged(base: TensorSource, digest: str, weights: WeightMeasurement) -> None:
    if weights.model_digest != digest:
        raise ModelError(
            "the weights changed since the model was opened",
            where=base.root,
            fix="leave the model's files alone during the run, and start it again",
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
