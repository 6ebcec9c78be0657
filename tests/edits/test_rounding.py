import math

import numpy as np
import pytest
import torch

from invarlock.edits.rounding import round_trip, stochastic_bf16, ulp_noise
from invarlock.errors import ModelError


def values(n=20_000) -> torch.Tensor:
    return torch.randn(n, generator=torch.Generator().manual_seed(0)) * 0.1


def bf16_nearest_even(x: np.ndarray) -> np.ndarray:
    bits = x.view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)).view(np.float32)


def test_round_trips_are_numpys_and_the_bit_patterns():
    x = values()
    assert np.array_equal(
        round_trip(x, torch.float16).numpy(), x.numpy().astype(np.float16).astype(np.float32)
    )
    assert np.array_equal(round_trip(x, torch.bfloat16).numpy(), bf16_nearest_even(x.numpy()))


def test_a_round_trip_that_overflows_is_refused():
    with pytest.raises(ModelError, match="float16"):
        round_trip(torch.tensor([1.0, 70000.0]), torch.float16)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_stochastic_rounding_is_unbiased_and_takes_a_neighbour(sign):
    low, high = 1.0, 1.0078125  # neighbours in bfloat16
    x = torch.full((200_000,), sign * (low + 0.3 * (high - low)))
    rounded = stochastic_bf16(x, torch.Generator().manual_seed(1)).abs()
    assert set(rounded.unique().tolist()) == {low, high}
    share = (rounded == high).double().mean().item()
    assert share == pytest.approx(0.3, abs=4 * math.sqrt(0.21 / len(x)))


def test_stochastic_rounding_leaves_what_bfloat16_holds():
    x = values().bfloat16()
    assert stochastic_bf16(x, torch.Generator().manual_seed(1)).equal(x)
    half = values().half()
    rounded = stochastic_bf16(half, torch.Generator().manual_seed(1))
    assert rounded.dtype is torch.float16
    assert not rounded.equal(half)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_ulp_noise_moves_to_a_neighbour_or_stays(dtype):
    x = values().to(dtype)
    x[0] = 0.0
    noisy = ulp_noise(x, torch.Generator().manual_seed(2))
    assert noisy.dtype is dtype
    infinity = torch.tensor(math.inf, dtype=dtype)
    up, down = torch.nextafter(x, infinity), torch.nextafter(x, -infinity)
    # Below a power of two the neighbour is half a unit away, so one unit is two neighbours there.
    power = torch.frexp(x.float()).mantissa.abs() == 0.5
    assert ((noisy == x) | (noisy == up) | (noisy == down) | power)[1:].all()
    assert noisy[0] == 0.0
    shares = [(noisy == x).double().mean().item(), (noisy > x).double().mean().item()]
    assert shares == pytest.approx([1 / 3, 1 / 3], abs=0.02)


def test_ulp_noise_moves_half_precision_subnormals():
    x = torch.full((1000,), 1e-6, dtype=torch.float16)
    assert not ulp_noise(x, torch.Generator().manual_seed(3)).equal(x)
