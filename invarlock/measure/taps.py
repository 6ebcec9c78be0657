"""Taps: where the branches of a model's blocks end, and variance equalization may attach (design page 4)."""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Iterable

from invarlock.checkpoints.architectures import ARCHITECTURES, Branch
from invarlock.checkpoints.branch_parts import in_branch
from invarlock.checkpoints.checkpoint import TensorSource
from invarlock.checkpoints.modules import module_path
from invarlock.errors import ModelError
from invarlock.measure.branch_records import Tap


def taps_of(source: TensorSource) -> tuple[Tap, ...]:
    """The taps of the model that ``source`` loads as, from its tensor names alone.

    In order of the blocks, inside a block as it runs its branches. A T5 has two stacks of blocks: both number theirs
    from 0, and a block of one comes beside that of the other.

    Raises
    ------
    ModelError: no branches are known for the model type, or no tensor is on one.
    """
    paths = [module_path(entry.name, source.model_type) for entry in source.entries]
    return find_taps(paths, source.model_type)


def edited_taps(source: TensorSource, edited: Collection[str]) -> tuple[Tap, ...]:
    """The taps whose own branch holds a module of ``edited``: off-target taps are no test of an edit (seed 003).

    Raises what :func:`taps_of` raises, and ModelError when the edit touches no branch.
    """
    found = tuple(tap for tap in taps_of(source) if any(in_branch(module, tap.module) for module in edited))
    if not found:
        raise ModelError(
            "none of the edited modules belongs to a branch of a block, so scales have nothing to make good",
            where=", ".join(sorted(edited)[:3]),
            fix="edit feed-forward or attention matrices",
        )
    return found


def find_taps(paths: Iterable[str], model_type: str) -> tuple[Tap, ...]:
    """The taps among module ``paths``, of a checkpoint or of a live model. Raises what :func:`taps_of` does."""
    architecture = ARCHITECTURES.get(model_type)
    if architecture is None:
        raise ModelError(
            "variance equalization does not know where the branches of its blocks are",
            where=f"model type {model_type}",
            fix=f"use one of {', '.join(sorted(ARCHITECTURES))}",
        )
    found = {
        (int(match[1]), order)
        for path in paths
        for order, branch in enumerate(architecture.branches)
        for place in (branch.module, branch.stored)
        if (match := _below(place).match(path)) is not None
    }
    if not found:
        raise ModelError(
            "no tensor belongs to a branch of a block, so variance equalization has nothing to attach to",
            where=f"model type {model_type}",
            fix="name the checkpoint of a whole model",
        )
    return tuple(_tap(architecture.branches[order], block) for block, order in sorted(found))


def _tap(branch: Branch, block: int) -> Tap:
    return Tap(
        module=branch.module.format(block),
        canonical=branch.canonical.format(block),
        family=branch.family,
        block=block,
    )


@functools.cache
def _below(place: str) -> re.Pattern[str]:
    """Matches the path ``place``, with any number for its block, and those below it, such as a bias or an expert."""
    return re.compile(re.escape(place).replace(r"\{\}", r"(\d+)") + r"(?:\.|$)")
