import numpy as np
import pytest
import torch

from invarlock.tau.gate_dtype import GateDtype

TORCH = {dtype: getattr(torch, dtype.value) for dtype in GateDtype}


@pytest.mark.parametrize("dtype", GateDtype)
def test_rounds_as_torch_does(dtype):
    rng = np.random.default_rng(0)
    values = np.exp(rng.normal(0, 20, 20_000)).astype(np.float32)  # from float32 on, every way is the same
    values[:7] = [
        0.0,
        np.inf,
        np.nan,
        3.4e38,
        1e-45,
        1.00390625,
        1.01171875,
    ]  # the last two: ties in bfloat16
    expected = torch.from_numpy(values).to(TORCH[dtype]).to(torch.float64).numpy()
    np.testing.assert_array_equal(dtype.round(values).astype(np.float64), expected)


@pytest.mark.parametrize("dtype", GateDtype)
def test_rounds_float64_as_torch_does_next_to_every_kind_of_tie(dtype):
    grid = 2.0 ** np.random.default_rng(1).integers(-8, 8, 4000)
    values = np.random.default_rng(2).integers(1024, 2048, 4000) / 1024 * grid
    halves = [values + np.spacing(values.astype(kind)).astype(float) / 2 for kind in (np.float16, np.float32)]
    ties = np.concatenate([values, *halves, values + grid / 256])
    near = np.concatenate([ties, ties * (1 + 1e-12), ties * (1 - 1e-12)])
    expected = torch.from_numpy(near).to(TORCH[dtype]).to(torch.float64).numpy()
    np.testing.assert_array_equal(dtype.round(near).astype(np.float64), expected)


@pytest.mark.parametrize("dtype", GateDtype)
def test_the_smallest_normal_is_torchs(dtype):
    assert dtype.smallest_normal == torch.finfo(TORCH[dtype]).smallest_normal


@pytest.mark.parametrize("dtype", GateDtype)
def test_the_next_value_is_torchs(dtype):
    for value in (0.0, 1.0, 1e-5, 0.75, 3e4):
        held = torch.tensor(value, dtype=TORCH[dtype])
        expected = torch.nextafter(held, torch.tensor(torch.inf, dtype=TORCH[dtype]))
        assert dtype.next_above(float(held)) == float(expected)


@pytest.mark.parametrize("dtype", GateDtype)
def test_nothing_finite_lies_above_the_largest(dtype):
    assert dtype.next_above(torch.finfo(TORCH[dtype]).max) == np.inf


def test_holds_is_what_rounding_keeps():
    for wide in GateDtype:
        for narrow in GateDtype:
            largest, step = torch.finfo(TORCH[narrow]).max, 1 + torch.finfo(TORCH[narrow]).eps
            kept = all(float(wide.round(value)) == value for value in (largest, step))
            assert wide.holds(narrow) == kept
