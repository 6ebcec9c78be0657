"""Harmless roundings of one tensor: to a narrower format and back, at random, or by one unit in the last
place."""

from __future__ import annotations

import torch

from invarlock.errors import ModelError

_BF16_TAIL = 16  # bits of a float32 that a bfloat16 drops


def round_trip(tensor: torch.Tensor, through: torch.dtype) -> torch.Tensor:
    """``tensor`` rounded to ``through`` (nearest, ties to even) and back to its own dtype.

    Raises ModelError when a finite value overflows: that edit would not be harmless.
    """
    return _finite(tensor, tensor.float().to(through).to(tensor.dtype), through)


def stochastic_bf16(tensor: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """``tensor`` rounded to one of its two bfloat16 neighbours, the nearer one the likelier, and back to its
    dtype.

    Unbiased: the expected value is the original. Done on the float32 bit pattern: a random number is added to
    the 16 bits that bfloat16 drops, and they are cut off. Raises ModelError when a finite value overflows.
    """
    bits = tensor.float().contiguous().view(torch.int32)
    noise = torch.randint(0, 1 << _BF16_TAIL, bits.shape, generator=generator, dtype=torch.int32)
    rounded = ((bits + noise) & -(1 << _BF16_TAIL)).view(torch.float32)
    return _finite(tensor, rounded.to(tensor.dtype), torch.bfloat16)


def ulp_noise(tensor: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """``tensor`` with -1, 0 or +1 unit in the last place of its dtype added to each element, each a third of
    the time.

    Zeros stay zero. For float32 and narrower.
    """
    values = tensor.float()
    exponent = torch.frexp(values).exponent
    info = torch.finfo(tensor.dtype)
    ulp = torch.ldexp(torch.full_like(values, info.eps), exponent - 1).clamp(min=info.eps * info.tiny)
    steps = torch.randint(-1, 2, values.shape, generator=generator, dtype=torch.int32)
    return torch.where(values == 0, values, values + steps * ulp).to(tensor.dtype)


def _finite(before: torch.Tensor, after: torch.Tensor, through: torch.dtype) -> torch.Tensor:
    if not bool(torch.isfinite(after).all()) and bool(torch.isfinite(before).all()):
        raise ModelError(
            f"a weight overflows {str(through).removeprefix('torch.')}: rounding it there is not harmless",
            fix="leave this kind of edit out",
        )
    return after
