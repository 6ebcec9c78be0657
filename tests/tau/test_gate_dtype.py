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
