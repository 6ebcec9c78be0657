"""Drift against numpy, on the edits that it is there to tell apart."""

import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from invarlock.checkpoints.checkpoint import open_checkpoint
from invarlock.errors import MeasurementError, ModelError
from invarlock.measure.drift import measure_drift
from invarlock.measure.sigma_max import CONVERGED

FC = "transformer.h.0.mlp.c_fc"


@pytest.fixture
def edited(saved, tmp_path):
    def edit(change, name="gpt2"):
        folder = shutil.copytree(saved(name), tmp_path / "edited", dirs_exist_ok=True)
        tensors = load_file(saved(name) / "model.safetensors")
        save_file({key: t.contiguous() for key, t in change(tensors).items()}, folder / "model.safetensors")
        return open_checkpoint(str(folder))

    return edit


def _noise(shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_no_change_is_exactly_zero_and_measures_nothing(opened, store):
    drift = measure_drift(opened("mixtral"), opened("mixtral"), store, CONVERGED)
    assert {tuple(moved.model_dump().values()) for moved in drift.values()} == {(0.0, 0.0, 0.0)}
    assert store.counts().written == {}


def test_numbers_are_those_of_the_definition(opened, edited, store):
    noise = _noise((32, 128))
    subject = edited(lambda t: t | {f"{FC}.weight": t[f"{FC}.weight"] + 1e-3 * noise})
    drift = measure_drift(subject, opened("gpt2"), store, CONVERGED)
    base = opened("gpt2").read(f"{FC}.weight").double().numpy()
    now = subject.read(f"{FC}.weight").double().numpy()
    change = now - base
    moved = drift[FC]
    assert moved.log_sigma == pytest.approx(
        np.log(np.linalg.norm(now, 2) / np.linalg.norm(base, 2)), rel=1e-4
    )
    assert moved.relative_change == pytest.approx(np.linalg.norm(change) / np.linalg.norm(base), rel=1e-5)
    edge = np.linalg.norm(change, 2) / (change.std() * (np.sqrt(32) + np.sqrt(128)))
    assert moved.edit_edge == pytest.approx(edge, rel=1e-3)
    assert all(other.edit_edge == 0.0 for name, other in drift.items() if name != FC)
    assert measure_drift(subject, opened("gpt2"), store, CONVERGED) == drift
    assert store.counts().written["tensor_drift"] == 1


def test_the_edge_tells_noise_from_a_direction(opened, edited, store):
    """One energy, two edits: noise has edge about 1, one direction sqrt(mn) / (sqrt m + sqrt n)."""
    noise = _noise((32, 128))
    direction = _noise((32, 1), 1) @ _noise((1, 128), 2)
    direction *= noise.norm() / direction.norm()
    edges = []
    for change in (noise, direction):
        subject = edited(lambda t, change=change: t | {f"{FC}.weight": t[f"{FC}.weight"] + 1e-3 * change})
        edges.append(measure_drift(subject, opened("gpt2"), store, CONVERGED)[FC].edit_edge)
    assert edges[0] == pytest.approx(1.0, abs=0.1)
    assert edges[1] == pytest.approx(np.sqrt(32 * 128) / (np.sqrt(32) + np.sqrt(128)), rel=1e-3)


def test_tiny_changes_do_not_vanish(opened, edited, store):
    """One unit in the last place of one entry of bfloat16-sized weights."""

    def nudge(tensors):
        tensors[f"{FC}.weight"][3, 4] = torch.nextafter(tensors[f"{FC}.weight"][3, 4], torch.tensor(9.0))
        return tensors

    moved = measure_drift(edited(nudge), opened("gpt2"), store, CONVERGED)[FC]
    assert 0 < moved.relative_change < 1e-7
    assert moved.edit_edge == pytest.approx(np.sqrt(32 * 128) / (np.sqrt(32) + np.sqrt(128)), rel=1e-3)


def test_another_dtype_with_the_same_numbers_has_not_moved(opened, edited, store):
    wide = edited(lambda t: {name: tensor.double() for name, tensor in t.items()})
    drift = measure_drift(wide, opened("gpt2"), store, CONVERGED)
    assert {tuple(moved.model_dump().values()) for moved in drift.values()} == {(0.0, 0.0, 0.0)}


def test_a_lost_module_or_another_shape_is_an_error_by_name(opened, edited, store):
    with pytest.raises(ModelError, match="only the baseline") as caught:
        measure_drift(
            edited(lambda t: {name: x for name, x in t.items() if FC not in name}),
            opened("gpt2"),
            store,
            CONVERGED,
        )
    assert caught.value.where == FC
    with pytest.raises(ModelError, match="shape") as caught:
        measure_drift(
            edited(lambda t: t | {f"{FC}.weight": torch.ones(32, 64)}), opened("gpt2"), store, CONVERGED
        )
    assert caught.value.where == FC


def test_an_erased_module_is_an_error_by_name(opened, edited, store):
    erased = edited(lambda t: t | {f"{FC}.weight": torch.zeros(32, 128)})
    with pytest.raises(MeasurementError, match="zero matrix in the subject") as caught:
        measure_drift(erased, opened("gpt2"), store, CONVERGED)
    assert caught.value.where == FC
