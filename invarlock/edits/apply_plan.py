"""A planned edit, done: each matrix given to the edit's function as (out, in), checked, and put back as stored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from invarlock.digests import canonical_json
from invarlock.edits.edited_matrix import EditedMatrix
from invarlock.edits.planned_edit import EditTarget, PlannedEdit
from invarlock.edits.registry import find_edit
from invarlock.errors import ConfigError, ModelError


@dataclass(frozen=True)
class MatrixChange:
    """One matrix before and after, both in its stored orientation and dtype; clipped_fraction: as the edit says."""

    target: EditTarget
    before: torch.Tensor
    after: torch.Tensor
    clipped_fraction: float


def apply_plan(edit: PlannedEdit, name: str, tensor: torch.Tensor) -> torch.Tensor:
    """``tensor``, called ``name`` in the checkpoint, after ``edit``, which is written into it."""
    for change in changes_in(edit, name, tensor):
        change.before.copy_(change.after)
    return tensor


def changes_in(edit: PlannedEdit, name: str, tensor: torch.Tensor) -> Iterator[MatrixChange]:
    """What ``edit`` makes of each of its matrices in ``tensor``, which is left as it is. None for other tensors.

    The function computes in float32, float64 where the weight is.

    Raises
    ------
    ConfigError: the function refuses a matrix, or returns what is no edited matrix of that shape.
    ModelError: NaN or infinity in the result. Each names the module.
    """
    for target in edit.targets:
        if target.tensor == name:
            matrix = target.matrix_of(tensor)
            edited = _edited(edit, target, matrix)
            stored = edited.weight.detach().to(matrix)  # of the same dtype
            after = (stored.T if target.transposed else stored).contiguous()
            if not torch.isfinite(after).all():
                raise ModelError(
                    f"the edit {edit.name} gives NaN or infinity",
                    where=target.module,
                    fix="mend the edit, or plan it otherwise",
                )
            yield MatrixChange(target, matrix, after, edited.clipped_fraction)


def _edited(edit: PlannedEdit, target: EditTarget, matrix: torch.Tensor) -> EditedMatrix:
    registered = find_edit(edit.name)
    parameters = registered.parameters(registered.plan.model_validate_json(canonical_json(edit.plan)))
    oriented = matrix.T if target.transposed else matrix
    # A copy, contiguous: the function may write into what it is given.
    weight = oriented.to(
        torch.promote_types(matrix.dtype, torch.float32), copy=True, memory_format=torch.contiguous_format
    )
    shape = tuple(weight.shape)
    try:
        edited = registered.function(weight, **parameters)
    except (ConfigError, ValueError) as error:
        told = error if isinstance(error, ConfigError) else ConfigError(str(error), where="edit.plan")
        raise ConfigError(
            f"{told.what}: module {target.module}, {shape[0]} outputs x {shape[1]} inputs",
            where=told.where,
            fix=told.fix,
        ) from error
    _ensure_edited(edit, target, edited, shape)
    return edited


def _ensure_edited(edit: PlannedEdit, target: EditTarget, edited: object, shape: tuple[int, ...]) -> None:
    if not isinstance(edited, EditedMatrix):
        found = f"a {type(edited).__name__}, no EditedMatrix"
    elif tuple(edited.weight.shape) != shape or not edited.weight.is_floating_point():
        found = f"a {edited.weight.dtype} weight of shape {tuple(edited.weight.shape)} for one of {shape}"
    elif not 0.0 <= edited.clipped_fraction <= 1.0:
        found = f"clipped_fraction {edited.clipped_fraction}"
    else:
        return
    raise ConfigError(
        f"the edit {edit.name} returned {found}", where=target.module, fix="mend the edit's function"
    )
