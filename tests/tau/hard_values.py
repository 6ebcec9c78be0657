"""P and Q where gates go wrong: zeros, NaN, Inf, ties at tau and one step beside, overflow, subnormals."""

from __future__ import annotations

import math

import torch

from tests.tau.strict_by_hand import FORMATS


def hard_pairs(dtype: str, taus: tuple[float, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    """(P, Q), one dimension, all pairs of the hard values around ``taus`` and of both signs."""
    bits, smallest = FORMATS[dtype]
    normal, subnormal = 2.0**smallest, 2.0**-1074 if dtype == "float64" else 2.0 ** (smallest - bits + 1)
    largest = torch.finfo(getattr(torch, dtype)).max
    values = torch.tensor(
        [
            0.0,
            1.0,
            3.0,
            1e-3,
            math.nan,
            math.inf,
            normal,
            normal / 2,
            subnormal,
            7 * subnormal,
            largest,
            *taus,
        ],
        dtype=torch.float64,
    ).to(getattr(torch, dtype))
    edge = values[-len(taus) :]
    beside = [torch.nextafter(edge, torch.full_like(edge, end)) for end in (0.0, math.inf)]
    positive = torch.cat([values, *beside])
    every = torch.cat([positive, -positive])
    p, q = torch.meshgrid(every, every, indexing="ij")
    return p.reshape(-1), q.reshape(-1)
