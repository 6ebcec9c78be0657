"""Errors of an edit against their definitions in numpy."""

import numpy as np
import pytest
import torch

from invarlock.checkpoints.checkpoint import open_checkpoint
from invarlock.edits.apply_plan import MatrixChange
from invarlock.edits.overlay import EditedCheckpoint
from invarlock.edits.plan import plan_edit
from invarlock.edits.planned_edit import EditTarget
from invarlock.errors import MeasurementError
from invarlock.measure.edit_errors import compute_error, measure_edit_errors
from invarlock.measure.tensor_digest import digest_tensor

TARGET = EditTarget(module="m", tensor="m.weight", shape=(2, 3), transposed=False, index=None)


def change(before, after, clipped=0.0):
    return MatrixChange(TARGET, torch.tensor(before), torch.tensor(after), clipped)


def test_errors_are_those_of_the_definition(store):
    base = open_checkpoint("bundled:pydocs-gpt2")
    edit = plan_edit("quant_rtn", {"bitwidth": 4, "clamp_ratio": 0.1, "scope": "all"}, base)
    changes = measure_edit_errors(base, edit, store)
    assert list(changes) == list(edit.modules)
    edited = EditedCheckpoint(base, edit)
    for target in edit.targets:
        w, new = base.read(target.tensor), edited.read(target.tensor)
        found = changes[target.module]
        assert (found.before, found.after) == (digest_tensor(w), digest_tensor(new))
        a, b = w.double().numpy(), new.double().numpy()
        d, rows = b - a, a.T
        low, high = np.quantile(rows, [0.05, 0.95], axis=1, keepdims=True)
        expected = {
            "mean_abs": np.abs(d).mean(),
            "max_abs": np.abs(d).max(),
            "rmse": np.sqrt((d**2).mean()),
            "relative_rmse": np.linalg.norm(d) / np.linalg.norm(a),
            "cosine_similarity": a.ravel() @ b.ravel() / np.linalg.norm(a) / np.linalg.norm(b),
            "clipped_fraction": ((rows < low) | (rows > high)).mean(),
        }
        assert found.error.model_dump() == pytest.approx(expected, rel=1e-9)


def test_a_repeat_measures_nothing(opened, store):
    edit = plan_edit("quant_rtn", {}, opened("gpt2"))
    first = measure_edit_errors(opened("gpt2"), edit, store)
    assert store.counts().written == {"edit_error": len(edit.targets)}
    assert measure_edit_errors(opened("gpt2"), edit, store) == first
    assert store.counts().written == {"edit_error": len(edit.targets)}


def test_sums_over_more_than_one_chunk():
    before = torch.randn(1100, 1000, generator=torch.Generator().manual_seed(0))
    after = before + 0.01
    error = compute_error(MatrixChange(TARGET, before, after, 0.0))
    assert error.mean_abs == pytest.approx(0.01, rel=1e-5)
    a, b = before.double(), after.double()
    assert error.rmse == pytest.approx((b - a).norm().item() / 1.1e6**0.5, rel=1e-9)
    assert error.cosine_similarity == pytest.approx(
        torch.cosine_similarity(a.flatten(), b.flatten(), dim=0).item()
    )


def test_no_change_is_no_error():
    same = compute_error(change([[0.1, -2.0]], [[0.1, -2.0]]))
    assert (same.mean_abs, same.max_abs, same.rmse, same.relative_rmse) == (0.0, 0.0, 0.0, 0.0)
    assert same.cosine_similarity == pytest.approx(1.0)
    assert same.cosine_similarity <= 1.0
    zeros = compute_error(change([[0.0, 0.0]], [[0.0, -0.0]], 0.5))
    assert (zeros.relative_rmse, zeros.cosine_similarity, zeros.clipped_fraction) == (0.0, 1.0, 0.5)


@pytest.mark.parametrize(
    ("before", "after", "side"), [([[0.0]], [[1.0]], "before"), ([[1.0]], [[0.0]], "after")]
)
def test_a_matrix_that_is_zero_on_one_side_is_an_error(before, after, side):
    with pytest.raises(MeasurementError, match=f"zero matrix {side}") as caught:
        compute_error(change(before, after))
    assert caught.value.where == "m"
