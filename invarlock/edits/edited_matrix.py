"""What the function of an edit returns."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class EditedMatrix:
    """A weight matrix after an edit.

    weight: (out, in) as it was given, in a floating-point dtype; clipped_fraction: share of the weights, in [0, 1],
    that were cut to a range before they were rounded.
    """

    weight: torch.Tensor
    clipped_fraction: float = 0.0
