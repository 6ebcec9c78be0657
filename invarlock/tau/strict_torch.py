"""Strict inference on torch tensors."""

from __future__ import annotations

import torch
from torch import Tensor

from invarlock.tau.inference_config import InferenceConfig
from invarlock.tau.strict import StrictInference, masks, thresholds_for


def strict_inference_torch(p: Tensor, q: Tensor, config: InferenceConfig) -> StrictInference[Tensor]:
    """:func:`invarlock.tau.strict.strict_inference` for tensors, on their device. Raises as it does."""
    return masks(p, q, thresholds_for(p, q, config, Tensor), torch)
