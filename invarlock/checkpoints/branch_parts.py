"""Which branch of its block a module is part of, by its path alone. No torch here."""

from __future__ import annotations

import functools

from invarlock.checkpoints.architectures import ARCHITECTURES


def in_branch(module: str, tap: str) -> bool:
    """Whether ``module`` is part of the branch whose output is at ``tap``, a place in the live model.

    Both are paths in the model with its head. By the tables of all architectures: those that end a branch at the same
    place agree on its parts. False where none ends one there.

    >>> in_branch("transformer.h.3.mlp.c_fc", "transformer.h.3.mlp.c_proj")
    True
    >>> in_branch("decoder.block.0.layer.0.SelfAttention.q", "decoder.block.0.layer.1.EncDecAttention.o")
    False
    """
    return any(module == part or module.startswith(f"{part}.") for part in _parts(tap))


@functools.cache
def _parts(tap: str) -> frozenset[str]:
    numbers = [piece for piece in tap.split(".") if piece.isdecimal()]
    return frozenset(
        part.format(block)
        for architecture in ARCHITECTURES.values()
        for branch in architecture.branches
        for block in numbers
        if branch.module.format(block) == tap
        for part in branch.parts
    )
