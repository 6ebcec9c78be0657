from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from invarlock.edits import quant_rtn as module
from invarlock.edits.quant_rtn import quant_rtn, quantize_rtn
from invarlock.errors import ConfigError


def rtn_rows(rows: np.ndarray, bits: int, clip: float = 0.0) -> np.ndarray:
    """The definition, row by row in numpy."""
    levels = 2 ** (bits - 1) - 1
    result = np.zeros_like(rows)
    for i, row in enumerate(rows):
        if clip:
            row = np.clip(row, *np.quantile(row, [clip / 2, 1 - clip / 2]).astype(np.float32))
        scale = np.abs(row).max() / np.float32(levels)
        if scale > 0:
            result[i] = np.clip(np.rint(row / scale), -levels, levels) * scale
    return result


def weight(shape=(12, 32), seed=0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


ROWS = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 4), st.sampled_from([4, 8, 12])),
    # Weights as models have them: nothing so small that s is a subnormal with few bits of its own.
    elements=st.floats(-100, 100, width=32).map(lambda x: np.float32(0.0 if abs(x) < 1e-6 else x)),
)
BITS = st.integers(2, 8)


def steps(rows: np.ndarray, bits: int) -> np.ndarray:
    return np.abs(rows).max(axis=1, keepdims=True) / np.float32(2 ** (bits - 1) - 1)


@settings(deadline=None)  # the first call waits for torch's threads
@given(ROWS, BITS, st.sampled_from([None, 2, 4]))
def test_the_plan_is_numpys_definition(rows, bits, group_size):
    expected = rtn_rows(rows.reshape(-1, group_size or rows.shape[1]), bits).reshape(rows.shape)
    edited = quant_rtn(torch.from_numpy(rows), bitwidth=bits, group_size=group_size)
    np.testing.assert_allclose(edited.weight.numpy(), expected, rtol=1e-6)
    assert edited.clipped_fraction == 0.0


@settings(deadline=None)
@given(ROWS, BITS)
def test_an_error_is_at_most_half_a_step(rows, bits):
    rounded = quant_rtn(torch.from_numpy(rows), bitwidth=bits).weight.numpy()
    assert (np.abs(rounded - rows) <= steps(rows, bits) * (0.5 + 1e-4)).all()


@settings(deadline=None)
@given(ROWS, BITS)
def test_a_second_pass_finds_every_weight_on_its_level(rows, bits):
    once = quant_rtn(torch.from_numpy(rows), bitwidth=bits).weight
    twice = quant_rtn(once, bitwidth=bits).weight
    # The scale is recovered to an ulp only: levels x (absmax / levels) need not be absmax.
    np.testing.assert_allclose(twice.numpy(), once.numpy(), rtol=3e-7)


@settings(deadline=None)
@given(ROWS, BITS, st.sampled_from([0.0, 0.3]))
def test_zero_rows_stay_zero(rows, bits, clamp_ratio):
    rows[0] = 0.0
    assert not quant_rtn(torch.from_numpy(rows), bitwidth=bits, clamp_ratio=clamp_ratio).weight[0].any()


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
@pytest.mark.parametrize("clip", [0.0, 0.1])
def test_each_row_is_rounded_by_its_own_scale(bits, clip):
    w = weight()
    expected = rtn_rows(w.numpy(), bits, clip)
    np.testing.assert_allclose(
        quantize_rtn(w, bits=bits, clip=clip).weight.numpy(), expected, rtol=1e-6, atol=1e-7
    )


def test_groups_have_their_own_scales():
    w = weight()
    expected = rtn_rows(w.numpy().reshape(-1, 8), 4).reshape(12, 32)
    np.testing.assert_allclose(quant_rtn(w, bitwidth=4, group_size=8).weight.numpy(), expected, rtol=1e-6)
    assert quant_rtn(w, bitwidth=4, group_size=32).weight.equal(quant_rtn(w, bitwidth=4).weight)


@pytest.mark.parametrize("clamp_ratio", [0.0, 0.2])
def test_per_channel_false_is_one_scale_for_the_matrix(clamp_ratio):
    w = weight()
    expected = rtn_rows(w.numpy().reshape(1, -1), 4, clamp_ratio).reshape(12, 32)
    result = quant_rtn(w, bitwidth=4, per_channel=False, clamp_ratio=clamp_ratio).weight
    # The two interpolate quantiles in float32 and in float64.
    np.testing.assert_allclose(result.numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize("group_size", [None, 8])
def test_the_clipped_fraction_is_the_share_beyond_the_quantiles(group_size):
    w = weight()
    groups = w.numpy().reshape(-1, group_size or 32)
    low, high = np.quantile(groups, [0.1, 0.9], axis=1, keepdims=True)
    share = ((groups < low) | (groups > high)).mean()
    assert share > 0.1
    assert quant_rtn(w, clamp_ratio=0.2, group_size=group_size).clipped_fraction == pytest.approx(share)


def test_quantiles_of_rows_too_long_for_torch_are_the_same(monkeypatch):
    w = weight()
    expected = quantize_rtn(w, bits=8, clip=0.1)
    monkeypatch.setattr(module, "_LONGEST_FOR_TORCH", 31)
    result = quantize_rtn(w, bits=8, clip=0.1)
    torch.testing.assert_close(result.weight, expected.weight, rtol=1e-5, atol=1e-6)
    assert replace(result, weight=expected.weight) == expected


def test_fused_experts_are_one_matrix_each():
    w = weight((3, 12, 32))
    assert quantize_rtn(w, bits=4).weight.equal(torch.stack([quantize_rtn(e, bits=4).weight for e in w]))


def test_rows_beyond_the_first_chunk_are_quantized_alike():
    w = weight((2060, 2048))  # more than the 2^22 elements that are taken at a time
    assert quantize_rtn(w, bits=4).weight[2040:].equal(quantize_rtn(w[2040:], bits=4).weight)


def test_halves_round_to_even():
    w = torch.tensor([[0.0, 0.0, 0.0], [127.0, 2.5, -3.5]])
    assert quantize_rtn(w, bits=8).weight.tolist() == [[0.0, 0.0, 0.0], [127.0, 2.0, -4.0]]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_narrow_weights_are_computed_in_float32_and_kept_in_their_dtype(dtype):
    w = weight().to(dtype)
    result = quantize_rtn(w, bits=8).weight
    assert result.dtype is dtype
    assert result.equal(quantize_rtn(w.float(), bits=8).weight.to(dtype))


def test_the_input_is_left_alone():
    w = weight()
    before = w.clone()
    quantize_rtn(w, bits=2, clip=0.5)
    assert w.equal(before)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"bits": 9}, "bits = 9"),
        ({"bits": 1}, "bits = 1"),
        ({"bits": 8, "clip": 0.6}, "clip = 0.6"),
        ({"bits": 8, "group_size": 5}, "group size 5"),
        ({"bits": 8, "group_size": -4}, "group size -4"),
        ({"bits": 8, "group_size": 0}, "group size 0"),
    ],
)
def test_bad_parameters_are_named(arguments, message):
    with pytest.raises(ConfigError, match=message):
        quantize_rtn(weight(), **arguments)


@pytest.mark.parametrize("w", [torch.zeros(4), torch.zeros(4, 4, dtype=torch.int8)])
def test_only_floating_point_matrices(w):
    with pytest.raises(ConfigError, match="no weight matrix"):
        quantize_rtn(w, bits=8)
