"""Which block a module is in, by its path alone."""

from __future__ import annotations

import re

_BLOCK = re.compile(r"(.*?\.\d+)(?:\.|$)")


def block_of(module: str) -> str:
    """The path of the block that ``module`` is in, its own where it is in none.

    >>> block_of("transformer.h.3.mlp.c_proj")
    'transformer.h.3'
    """
    match = _BLOCK.match(module)
    return match[1] if match else module
