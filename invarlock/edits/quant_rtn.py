"""Round-to-nearest weight quantization, written back as float (design page 4)."""

from __future__ import annotations

import torch

from invarlock.errors import ConfigError

_CHUNK = 1 << 22  # elements quantized at a time: bounds memory, and torch.quantile takes no more than 2^24


def quantize_rtn(
    weight: torch.Tensor,
    *,
    bits: int,
    group_size: int | None = None,
    clip: float = 0.0,
    transposed: bool = False,
) -> torch.Tensor:
    """``weight`` rounded to the nearest of 2^bits - 1 symmetric levels per output channel, or per group.

    s = absmax / (2^(bits-1) - 1); q = clamp(round half to even(w / s)); the result is q s, computed in
    float32 and returned in the weight's dtype. An all-zero channel stays zero.

    Parameters
    ----------
    weight: (..., out, in), or (..., in, out) when ``transposed`` (Hugging Face's Conv1D).
    bits: 2 to 8.
    group_size: consecutive inputs that share a scale; it must divide ``in``. None: one scale a channel.
    clip: share in [0, 0.5] of a channel's or group's values that is first clipped, half at each end
        (quantiles clip/2 and 1 - clip/2, linear interpolation).

    Raises
    ------
    ConfigError: a parameter out of range, or a weight that is no floating-point matrix.
    """
    _check(weight, bits, clip)
    rows = weight.transpose(-1, -2) if transposed else weight
    width = rows.shape[-1]
    size = group_size or width
    if size < 1 or width % size:
        raise ConfigError(
            f"group size {group_size} does not divide the input width {width}", fix="use a divisor, or null"
        )
    result = torch.empty(rows.shape, dtype=weight.dtype)
    flat, out = rows.reshape(-1, size), result.view(-1, size)
    step = max(1, _CHUNK // size)
    for start in range(0, len(flat), step):
        out[start : start + step] = _quantize_rows(flat[start : start + step].float(), bits, clip).to(
            weight.dtype
        )
    return result.transpose(-1, -2).contiguous() if transposed else result


def _quantize_rows(rows: torch.Tensor, bits: int, clip: float) -> torch.Tensor:
    if clip > 0.0:
        low, high = torch.quantile(rows, torch.tensor([clip / 2, 1 - clip / 2]), dim=1, keepdim=True)
        rows = rows.clamp(low, high)
    levels = 2 ** (bits - 1) - 1
    scale = rows.abs().amax(dim=1, keepdim=True) / levels
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    return (rows / scale).round().clamp(-levels, levels) * scale


def _check(weight: torch.Tensor, bits: int, clip: float) -> None:
    if weight.ndim < 2 or not weight.dtype.is_floating_point:
        raise ConfigError(f"a {weight.dtype} tensor of shape {tuple(weight.shape)} is no weight matrix")
    if not 2 <= bits <= 8:
        raise ConfigError(f"bits = {bits} is not in 2..8")
    if not 0.0 <= clip <= 0.5:
        raise ConfigError(f"clip = {clip} is not in [0, 0.5]")
