"""Forward passes counted from outside: by hooks on the live model, not by the library's own meter."""

from __future__ import annotations

import torch

from invarlock.measure.models import LoadedModel


class PassCount:
    """What a GPT-2 runs from now on, its twins included."""

    def __init__(self, model: LoadedModel) -> None:
        blocks = model.module.transformer.h
        ran: list[int] = []
        heads: list[int] = []

        # Closures: a twin is a deep copy, and of a bound method it would have a copy, which counts elsewhere.
        def block_ran(_module: torch.nn.Module, _inputs: object, output: torch.Tensor) -> None:
            ran.append(len(output))

        def head_ran(_module: torch.nn.Module, _inputs: object, output: torch.Tensor) -> None:
            heads.append(len(output))

        for block in blocks:  # inside it: the hooks of a block whose forward was replaced are still called
            block.mlp.register_forward_hook(block_ran)
        model.module.lm_head.register_forward_hook(head_ran)
        self._layers, self._ran, self._heads = len(blocks), ran, heads

    @property
    def passes(self) -> float:
        """Block executions, a window each, over the number of blocks: forward-pass equivalents."""
        return sum(self._ran) / self._layers

    @property
    def heads(self) -> int:
        """Windows that went through embeddings and head, however few blocks they ran."""
        return sum(self._heads)
