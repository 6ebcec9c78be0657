"""What an edit did to each matrix that it aimed at: the error it made, and the hashes before and after."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from invarlock.checkpoints.checkpoint import TensorSource
from invarlock.edits.apply_plan import MatrixChange, changes_in
from invarlock.edits.planned_edit import PlannedEdit
from invarlock.errors import MeasurementError
from invarlock.measure.records import EditError
from invarlock.measure.tensor_digest import digest_tensor
from invarlock.progress import advance, announce
from invarlock.store.measurement_store import MeasurementKey, MeasurementStore

KIND = "edit_error"
_VERSION = 1
_CHUNK = 1 << 20  # elements in float64 at a time


@dataclass(frozen=True)
class ModuleChange:
    """One module that an edit aimed at. before, after: hex SHA-256 of its matrix; error: between the two."""

    before: str
    after: str
    error: EditError

    @property
    def changed(self) -> bool:
        """Whether any bit of the matrix is another."""
        return self.before != self.after


def measure_edit_errors(
    base: TensorSource, edit: PlannedEdit, store: MeasurementStore
) -> Mapping[str, ModuleChange]:
    """What ``edit`` does to each of its modules in ``base``, by module name, in the edit's order.

    One tensor at a time. Raises ConfigError and ModelError as :func:`changes_in` does, and MeasurementError for a
    matrix that is zero on one side only: its relative error is infinite, or its cosine undefined.
    """
    announce("edit errors", len(edit.targets))
    found: dict[str, ModuleChange] = {}
    for name in edit.tensors:
        for change in changes_in(edit, name, base.read(name)):
            found[change.target.module] = _change_of(change, store)
            advance("edit errors", 1)
    return {module: found[module] for module in edit.modules}


def _change_of(change: MatrixChange, store: MeasurementStore) -> ModuleChange:
    before, after = digest_tensor(change.before), digest_tensor(change.after)
    key = MeasurementKey(
        kind=KIND,
        version=_VERSION,
        inputs={"before": before, "after": after, "clipped_fraction": change.clipped_fraction},
    )
    error = store.get(key, EditError)
    if error is None:
        error = compute_error(change)
        store.put(key, error)
    return ModuleChange(before, after, error)


def compute_error(change: MatrixChange) -> EditError:
    """The error of one matrix, in float64. The same bits on any number of threads: the sums are numpy's own."""
    total = largest = squares = before_squares = after_squares = product = 0.0
    for before, after in _chunks(change):
        difference = after - before
        total += float(np.abs(difference).sum())
        largest = max(largest, float(np.abs(difference).max()))
        squares += float(np.square(difference).sum())
        before_squares += float(np.square(before).sum())
        after_squares += float(np.square(after).sum())
        product += float((before * after).sum())
    if (before_squares == 0.0) != (after_squares == 0.0):
        raise MeasurementError(
            f"a zero matrix {'before' if before_squares == 0.0 else 'after'} the edit alone: the error has no scale",
            where=change.target.module,
            fix="an edit may not erase a module; plan it otherwise",
        )
    count = change.before.numel()
    zero = before_squares == 0.0
    cosine = 1.0 if zero else product / math.sqrt(before_squares * after_squares)
    return EditError(
        mean_abs=total / count,
        max_abs=largest,
        rmse=math.sqrt(squares / count),
        relative_rmse=0.0 if zero else math.sqrt(squares / before_squares),
        cosine_similarity=max(-1.0, min(1.0, cosine)),  # rounding may leave the range by an ulp
        clipped_fraction=change.clipped_fraction,
    )


def _chunks(change: MatrixChange) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    before, after = (side.reshape(-1) for side in (change.before, change.after))
    for start in range(0, before.numel(), _CHUNK):
        stop = start + _CHUNK
        yield _float64(before[start:stop]), _float64(after[start:stop])


def _float64(values: torch.Tensor) -> np.ndarray:
    return values.double().numpy()
