import numpy as np
import pytest
import torch

from invarlock.edits.quant_rtn import quantize_rtn
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


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
@pytest.mark.parametrize("clip", [0.0, 0.1])
def test_each_row_is_rounded_by_its_own_scale(bits, clip):
    w = weight()
    expected = rtn_rows(w.numpy(), bits, clip)
    np.testing.assert_allclose(quantize_rtn(w, bits=bits, clip=clip).numpy(), expected, rtol=1e-6, atol=1e-7)


def test_groups_have_their_own_scales():
    w = weight()
    expected = rtn_rows(w.numpy().reshape(-1, 8), 4).reshape(12, 32)
    np.testing.assert_allclose(quantize_rtn(w, bits=4, group_size=8).numpy(), expected, rtol=1e-6)
    assert quantize_rtn(w, bits=4, group_size=32).equal(quantize_rtn(w, bits=4))


def test_transposed_weights_have_their_channels_in_columns():
    w = weight()
    for group in (None, 8):
        expected = quantize_rtn(w, bits=4, group_size=group).T
        result = quantize_rtn(w.T.contiguous(), bits=4, group_size=group, transposed=True)
        assert result.equal(expected)
        assert result.is_contiguous()


def test_fused_experts_are_one_matrix_each():
    w = weight((3, 12, 32))
    assert quantize_rtn(w, bits=4).equal(torch.stack([quantize_rtn(e, bits=4) for e in w]))
    across = quantize_rtn(w, bits=4, transposed=True)
    assert across.equal(torch.stack([quantize_rtn(e, bits=4, transposed=True) for e in w]))


def test_rows_beyond_the_first_chunk_are_quantized_alike():
    w = weight((2060, 2048))  # more than the 2^22 elements that are taken at a time
    assert quantize_rtn(w, bits=4)[2040:].equal(quantize_rtn(w[2040:], bits=4))


def test_error_is_at_most_half_a_step_and_a_second_pass_changes_nothing():
    w = weight()
    once = quantize_rtn(w, bits=8)
    step = w.abs().amax(dim=1, keepdim=True) / 127
    assert ((once - w).abs() <= step * (0.5 + 1e-5)).all()
    assert torch.allclose(quantize_rtn(once, bits=8), once, rtol=1e-6)


def test_a_zero_row_stays_zero_and_halves_round_to_even():
    w = torch.tensor([[0.0, 0.0, 0.0], [127.0, 2.5, -3.5]])
    assert quantize_rtn(w, bits=8).tolist() == [[0.0, 0.0, 0.0], [127.0, 2.0, -4.0]]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_narrow_weights_are_computed_in_float32_and_kept_in_their_dtype(dtype):
    w = weight().to(dtype)
    result = quantize_rtn(w, bits=8)
    assert result.dtype is dtype
    assert result.equal(quantize_rtn(w.float(), bits=8).to(dtype))


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
    ],
)
def test_bad_parameters_are_named(arguments, message):
    with pytest.raises(ConfigError, match=message):
        quantize_rtn(weight(), **arguments)


@pytest.mark.parametrize("w", [torch.zeros(4), torch.zeros(4, 4, dtype=torch.int8)])
def test_only_floating_point_matrices(w):
    with pytest.raises(ConfigError, match="no weight matrix"):
        quantize_rtn(w, bits=8)
