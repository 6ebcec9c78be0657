"""A model with a rational head, gated when it infers and left alone when it trains (seed 004)."""

from __future__ import annotations

from torch import Tensor, nn

from invarlock.tau.errors import TauError
from invarlock.tau.inference_config import InferenceConfig
from invarlock.tau.strict import StrictInference
from invarlock.tau.strict_torch import strict_inference_torch
from invarlock.tau.thresholds import ensure_config


class SCMInferenceWrapper(nn.Module):
    """Puts a gate behind a model that gives (P, Q), two tensors of one shape.

    In ``eval()`` a call gives (decoded, bottom_mask, gap_mask) and leaves the other masks of that call in
    ``fault_mask``, ``semantic_bottom_mask`` and ``bottom_provenance``; in ``train()`` it gives the raw (P, Q)
    and the three are None. Threads that share a wrapper use :meth:`infer`, which keeps nothing.

    TauError (a ValueError) when ``config`` is no InferenceConfig, when the model gives anything else, and as
    :func:`strict_inference_torch`.
    """

    def __init__(self, model: nn.Module, config: InferenceConfig) -> None:
        super().__init__()
        ensure_config(config)
        self.model = model
        self.config = config
        self._keep(None)

    def forward(self, *inputs: object, **named: object) -> tuple[Tensor, ...]:
        """(decoded, bottom_mask, gap_mask) in eval, (P, Q) in train."""
        if self.training:
            self._keep(None)
            return self.raw(*inputs, **named)
        result = self.infer(*inputs, **named)
        self._keep(result)
        return result.decoded, result.bottom_mask, result.gap_mask

    def raw(self, *inputs: object, **named: object) -> tuple[Tensor, Tensor]:
        """(P, Q) as the model gives them."""
        return _pair(self.model(*inputs, **named))

    def infer(self, *inputs: object, **named: object) -> StrictInference[Tensor]:
        """Everything the gate says, in either mode."""
        return strict_inference_torch(*self.raw(*inputs, **named), self.config)

    def _keep(self, result: StrictInference[Tensor] | None) -> None:
        self.fault_mask = None if result is None else result.fault_mask
        self.semantic_bottom_mask = None if result is None else result.semantic_bottom_mask
        self.bottom_provenance = None if result is None else result.bottom_provenance


def _pair(output: object) -> tuple[Tensor, Tensor]:
    fix = "have its forward return (P, Q), two tensors of one shape"
    if not isinstance(output, tuple | list) or not all(isinstance(part, Tensor) for part in output):
        raise TauError(f"the model gives {type(output).__name__}, not a pair of tensors", fix=fix)
    if len(output) != 2:
        raise TauError(f"the model gives {len(output)} tensors, not 2", fix=fix)
    p, q = output
    if p.shape != q.shape:
        raise TauError(f"P has shape {tuple(p.shape)} and Q has {tuple(q.shape)}", fix=fix)
    return p, q
