"""Weight statistics: numbers against numpy, each tensor measured once, bad tensors refused by name."""

import shutil
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from invarlock.checkpoints.checkpoint import open_checkpoint
from invarlock.errors import MeasurementError
from invarlock.measure.sigma_max import CONVERGED, POWER_ITER
from invarlock.measure.tensor_digest import digest_model, digest_tensor
from invarlock.measure.tensor_statistics import measure_tensor
from invarlock.measure.weights import measure_weights
from invarlock.progress import reporting_to
from invarlock.store.measurement_store import MeasurementStore


def _matrix(rows=120, columns=90, seed=0):
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


def _rewritten(folder, change):
    path = folder / "model.safetensors"
    save_file({name: t.contiguous() for name, t in change(load_file(path)).items()}, path)
    return open_checkpoint(str(folder))


@pytest.fixture
def copied(saved, tmp_path):
    return shutil.copytree(saved("gpt2"), tmp_path / "model")


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("size", [1e-20, 1.0, 1e20])
def test_statistics_are_those_of_the_definition(dtype, size):
    if dtype is torch.float16:
        size = {1e-20: 1e-3, 1e20: 1e3}.get(size, size)
    tensor = (_matrix().double() * size).to(dtype)
    w = tensor.double().numpy()
    sigma = np.linalg.svd(w, compute_uv=False)[0]
    measured = measure_tensor(tensor, CONVERGED, where="here")
    assert measured.sigma_max == pytest.approx(sigma, rel=1e-5)
    assert measured.sigma_residual <= 1e-4 * sigma
    assert measured.frobenius == pytest.approx(np.linalg.norm(w), rel=1e-5)
    assert measured.stable_rank == pytest.approx((np.linalg.norm(w) / sigma) ** 2, rel=1e-4)
    assert measured.rms == pytest.approx(np.sqrt(np.mean(w**2)), rel=1e-5)
    for norms, axis in ((measured.row_norms, 1), (measured.column_norms, 0)):
        expected = np.linalg.norm(w, axis=axis)
        found = (norms.min, norms.median, norms.max)
        assert found == pytest.approx((expected.min(), np.median(expected), expected.max()), rel=1e-5)


@pytest.mark.parametrize("left", [0.0, 1e-9])
def test_dead_rows_are_counted_apart_from_the_others(left):
    tensor = _matrix()
    tensor[[0, 7, 50]] *= left
    expected = np.linalg.norm(np.delete(tensor.double().numpy(), [0, 7, 50], axis=0), axis=1)
    rows = measure_tensor(tensor, CONVERGED, where="here").row_norms
    assert (rows.zeros, rows.min) == (3, pytest.approx(expected.min()))
    assert rows.median == pytest.approx(np.median(expected))
    empty = measure_tensor(torch.zeros(5, 4), CONVERGED, where="here").column_norms
    assert (empty.zeros, empty.min, empty.max) == (4, 0.0, 0.0)


def test_a_zero_matrix_has_no_rank():
    measured = measure_tensor(torch.zeros(100, 80), CONVERGED, where="here")
    assert (measured.sigma_max, measured.frobenius, measured.stable_rank, measured.rms) == (0, 0, 0, 0)


def test_measuring_leaves_the_tensor_alone():
    tensor = _matrix() * 1e25
    before = tensor.clone()
    measure_tensor(tensor, CONVERGED, where="here")
    assert torch.equal(tensor, before)


@pytest.mark.parametrize("name", ["gpt2", "t5", "mixtral"])
def test_each_distinct_tensor_is_measured_once_ever(name, opened, store):
    first = measure_weights(opened(name), store, CONVERGED)
    distinct = len({module.tensor_sha256 for module in first.modules})
    assert store.counts().written == {"tensor_stats": distinct}
    again = MeasurementStore(store.root)
    assert measure_weights(opened(name), again, CONVERGED) == first
    assert again.counts().written == {}
    assert first.model_digest == digest_model(opened(name)).digest


def test_an_edit_of_one_tensor_costs_one_measurement(opened, copied, store):
    before = measure_weights(opened("gpt2"), store, CONVERGED)
    written = store.counts().written["tensor_stats"]
    edited = _rewritten(copied, lambda t: t | {"transformer.wpe.weight": t["transformer.wpe.weight"] * 2})
    after = measure_weights(edited, store, CONVERGED)
    assert store.counts().written["tensor_stats"] == written + 1
    assert after.model_digest != before.model_digest
    changed = [a.name for a, b in zip(before.modules, after.modules, strict=True) if a != b]
    assert changed == ["transformer.wpe"]


def test_contracts_do_not_share_measurements(opened, store):
    converged = measure_weights(opened("gpt2"), store, CONVERGED)
    published = measure_weights(opened("gpt2"), store, POWER_ITER)
    assert store.counts().written["tensor_stats"] == 2 * len(converged.modules)
    assert all(p.sigma_max < c.sigma_max for p, c in zip(published.modules, converged.modules, strict=True))


def _measure_in(root, folder):
    store = MeasurementStore(Path(root))
    measure_weights(open_checkpoint(folder), store, CONVERGED)
    return store.counts().written.get("tensor_stats", 0)


def test_two_processes_measure_each_tensor_once(saved, tmp_path):
    folder = str(saved("mixtral"))
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        counts = list(pool.map(_measure_in, [str(tmp_path)] * 2, [folder] * 2))
    assert sum(counts) == len(
        measure_weights(open_checkpoint(folder), MeasurementStore(tmp_path), CONVERGED).modules
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("name", ["transformer.h.1.mlp.c_fc.weight", "transformer.ln_f.weight"])
def test_a_value_that_is_not_finite_is_an_error_by_name(name, value, copied, store):
    def poisoned(tensors):
        tensors[name].view(-1)[5] = value
        return tensors

    with pytest.raises(MeasurementError, match="NaN or infinity") as caught:
        measure_weights(_rewritten(copied, poisoned), store, CONVERGED)
    assert str(caught.value.where).endswith(f"model: {name}")


@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.bool, torch.float8_e4m3fn])
def test_packed_weights_are_refused_by_name(dtype, copied, store):
    name = "transformer.h.0.mlp.c_fc.weight"
    with pytest.raises(MeasurementError, match="no meaning as a matrix") as caught:
        measure_weights(_rewritten(copied, lambda t: t | {name: t[name].to(dtype)}), store, CONVERGED)
    assert str(caught.value.where).endswith(f"model: {name}")


def test_index_buffers_are_no_weights(opened, copied, store):
    buffers = {
        "transformer.h.0.attn.bias": torch.ones(1, 1, 8, 8, dtype=torch.bool),
        "transformer.position_ids": torch.arange(8).reshape(1, 8),
    }
    with_buffers = measure_weights(_rewritten(copied, lambda t: t | buffers), store, CONVERGED)
    assert with_buffers.modules == measure_weights(opened("gpt2"), store, CONVERGED).modules


def test_the_tensor_digest_sees_dtype_shape_and_bytes():
    tensor = torch.arange(6, dtype=torch.float32)
    variants = [tensor, tensor.reshape(2, 3), tensor.reshape(3, 2), tensor.view(torch.int32), tensor + 1]
    assert len({digest_tensor(variant) for variant in variants}) == len(variants)
    assert digest_tensor(tensor.reshape(2, 3).T) == digest_tensor(tensor.reshape(2, 3).T.contiguous())


@dataclass
class _Tally:
    announced: int = 0
    advanced: int = 0

    def announce(self, stage, total):
        assert stage == "weights"
        self.announced += total

    def advance(self, stage, units):
        self.advanced += units


def test_progress_is_told(opened, store):
    tally = _Tally()
    with reporting_to(tally):
        modules = measure_weights(opened("gpt2"), store, CONVERGED).modules
    assert (tally.announced, tally.advanced) == (len(modules), len(modules))
