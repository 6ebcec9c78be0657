"""Round-to-nearest weight quantization, written back as float (design page 4)."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import numpy as np
import torch
from pydantic import Field

from invarlock.edits.edited_matrix import EditedMatrix
from invarlock.errors import ConfigError

_CHUNK = 1 << 22  # elements quantized at a time, or one row: bounds memory
_LONGEST_FOR_TORCH = 1 << 24  # elements that torch.quantile takes


def quant_rtn(
    weight: torch.Tensor,
    *,
    bitwidth: Annotated[int, Field(ge=2, le=8)] = 8,
    per_channel: bool = True,
    group_size: Annotated[int, Field(ge=1)] | None = None,
    clamp_ratio: Annotated[float, Field(ge=0.0, le=0.5)] = 0.0,
) -> EditedMatrix:
    """``weight`` (out, in) on 2^bitwidth - 1 levels.

    One scale per output channel, per ``group_size`` consecutive inputs of a channel, or, with ``per_channel`` false,
    for the whole matrix. clamp_ratio: share of the weights of each scale that is first clipped, half at each end.

    Raises ConfigError for a group size that does not divide the input width, or beside ``per_channel`` false.
    """
    if per_channel:
        return quantize_rtn(weight, bits=bitwidth, group_size=group_size, clip=clamp_ratio)
    if group_size is not None:
        raise ConfigError(
            "per_channel false is one scale a matrix, group_size is one scale a group",
            where="edit.plan.group_size",
            fix="leave one of the two out",
        )
    whole = quantize_rtn(weight.reshape(1, -1), bits=bitwidth, clip=clamp_ratio)
    return dataclasses.replace(whole, weight=whole.weight.view(weight.shape))


def quantize_rtn(
    weight: torch.Tensor, *, bits: int, group_size: int | None = None, clip: float = 0.0
) -> EditedMatrix:
    """``weight`` rounded to the nearest of 2^bits - 1 symmetric levels per output channel, or per group.

    s = absmax / (2^(bits-1) - 1); q = clamp(round half to even(w / s)); the result is q s, computed in
    float32 and returned in the weight's dtype. An all-zero channel stays zero.

    Parameters
    ----------
    weight: (..., out, in).
    bits: 2 to 8.
    group_size: consecutive inputs that share a scale; it must divide ``in``. None: one scale a channel.
    clip: share in [0, 0.5] of a channel's or group's values that is first clipped, half at each end
        (quantiles clip/2 and 1 - clip/2, linear interpolation).

    Raises
    ------
    ConfigError: a parameter out of range, or a weight that is no floating-point matrix.
    """
    _check(weight, bits, clip)
    width = weight.shape[-1]
    size = width if group_size is None else group_size
    if size < 1 or width % size:
        raise ConfigError(
            f"group size {group_size} does not divide the input width {width}",
            where="edit.plan.group_size",
            fix="use a divisor, or null",
        )
    result = torch.empty(weight.shape, dtype=weight.dtype)
    flat, out = weight.reshape(-1, size), result.view(-1, size)
    step = max(1, _CHUNK // size)
    clipped = 0
    for start in range(0, len(flat), step):
        rows = flat[start : start + step].float()
        if clip > 0.0:
            low, high = _clip_bounds(rows, clip)
            clipped += int(((rows < low) | (rows > high)).sum())
            rows = rows.clamp(low, high)
        out[start : start + step] = _round_rows(rows, bits).to(weight.dtype)
    return EditedMatrix(result, clipped / weight.numel())


def _round_rows(rows: torch.Tensor, bits: int) -> torch.Tensor:
    levels = 2 ** (bits - 1) - 1
    scale = rows.abs().amax(dim=1, keepdim=True) / levels
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    return (rows / scale).round().clamp(-levels, levels) * scale


def _clip_bounds(rows: torch.Tensor, clip: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Quantiles clip/2 and 1 - clip/2 of each row, as columns."""
    shares = [clip / 2, 1 - clip / 2]
    if rows.shape[1] <= _LONGEST_FOR_TORCH:
        low, high = torch.quantile(rows, torch.tensor(shares), dim=1, keepdim=True)
    else:
        low, high = torch.from_numpy(np.quantile(rows.numpy(), shares, axis=1, keepdims=True)).float()
    return low, high


def _check(weight: torch.Tensor, bits: int, clip: float) -> None:
    if weight.ndim < 2 or not weight.dtype.is_floating_point:
        raise ConfigError(f"a {weight.dtype} tensor of shape {tuple(weight.shape)} is no weight matrix")
    if not 2 <= bits <= 8:
        raise ConfigError(f"bits = {bits} is not in 2..8")
    if not 0.0 <= clip <= 0.5:
        raise ConfigError(f"clip = {clip} is not in [0, 0.5]")
