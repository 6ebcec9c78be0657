"""Passes of several scale sets over the same windows, which run the blocks that they have in common once.

Up to the block of its first scaled branch, a scaled model is the unscaled one. So the set that departs last runs
whole, and what enters the block where another departs is recorded on the way; the others start there
(docs/decisions/0063-shared-prefix.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

import torch

from invarlock.checkpoints.architectures import ARCHITECTURES
from invarlock.data.windows import Window
from invarlock.measure.branch_records import VirtualScales
from invarlock.measure.forward_hooks import hooked
from invarlock.measure.losses import run_windows
from invarlock.measure.models import LoadedModel
from invarlock.measure.records import WindowLoss
from invarlock.measure.virtual_scales import scaled


@dataclass(frozen=True)
class Departure:
    """A scale set and the number of the block where its first scaled branch is."""

    scales: VirtualScales
    block: int


def run_departures(
    model: LoadedModel, windows: Sequence[Window], departures: Sequence[Departure]
) -> dict[str, tuple[WindowLoss, ...]]:
    """Losses of ``windows``, one forward pass's worth, under each scale set, by its digest.

    Bit for bit those of whole passes. Hidden states are kept for the blocks at which sets depart, while this runs.
    Where blocks hand on more than a hidden state (T5), every pass is whole.
    """
    stack = ARCHITECTURES[model.model_type].stack
    blocks = list(model.module.get_submodule(stack)) if stack else []
    last, *others = sorted(departures, key=lambda departure: departure.block, reverse=True)
    resumed = {departure.block for departure in others if blocks and departure.block > 0}
    entering: dict[int, torch.Tensor] = {}
    hooks = ((blocks[block - 1], partial(_record, entering, block)) for block in resumed)
    with hooked(hooks), scaled(model, last.scales):
        results = {last.scales.digest: run_windows(model, windows)}
    for departure in others:
        results[departure.scales.digest] = _resume(model, windows, departure, blocks, entering)
    return results


def _resume(
    model: LoadedModel,
    windows: Sequence[Window],
    departure: Departure,
    blocks: Sequence[torch.nn.Module],
    entering: Mapping[int, torch.Tensor],
) -> tuple[WindowLoss, ...]:
    with scaled(model, departure.scales):
        hidden = entering.get(departure.block)
        if hidden is None:
            return run_windows(model, windows)
        with _replaced(blocks[: departure.block], hidden):
            return run_windows(model, windows, share=Fraction(len(blocks) - departure.block, len(blocks)))


def _record(
    entering: dict[int, torch.Tensor], block: int, _module: object, _inputs: object, output: torch.Tensor
) -> None:
    """Keep what enters ``block``: the output of the one before."""
    entering[block] = output


@contextmanager
def _replaced(blocks: Sequence[torch.nn.Module], hidden: torch.Tensor) -> Iterator[None]:
    """Inside the block of code, the forward of every one of ``blocks`` is to give ``hidden``."""
    try:
        for block in blocks:
            block.forward = lambda *_args, **_kwargs: hidden
        yield
    finally:
        for block in blocks:
            del block.forward
