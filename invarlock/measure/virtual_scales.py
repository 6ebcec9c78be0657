"""Virtual variance equalization: hooks that scale branches, on a model whose weights are never touched."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch

from invarlock.measure.branch_records import VirtualScales
from invarlock.measure.forward_hooks import bias_of, hooked
from invarlock.measure.models import LoadedModel


@contextmanager
def scaled(model: LoadedModel, scales: VirtualScales) -> Iterator[None]:
    """Inside the block, each named branch gives bias + factor x (output - bias): as if its weight were scaled.

    Scales the passes of this model object only, not those of its twins.
    """
    hooks = (
        (model.module.get_submodule(path), partial(_scale, factor)) for path, factor in scales.factors.items()
    )
    with hooked(hooks):
        yield


def _scale(factor: float, module: torch.nn.Module, _inputs: object, output: torch.Tensor) -> torch.Tensor:
    bias = bias_of(module)
    return output * factor if bias is None else torch.lerp(bias, output, factor)
