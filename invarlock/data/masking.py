"""Masks for masked language models, a pure function of the window (Devlin et al. 2019, section 3.1)."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from invarlock.data.windows import Tokens, Window
from invarlock.errors import DataError

IGNORED = -100  # the label of positions that are not predicted, as transformers spells it
_MASKED_SHARE = 0.15
_REPLACED = 0.8  # of the chosen positions 80 % read the mask token, 10 % a random one, 10 % stay
_RANDOM = 0.1


def mask_window(
    window: Window, *, mask_id: int, vocab_size: int, special_ids: Collection[int]
) -> tuple[Tokens, Tokens]:
    """Input ids and labels of ``window``, int32, shape (length,); labels are -100 where nothing is predicted.

    Seeded by the window's id: baseline and subject, and every later run, predict the same tokens. Each
    position is chosen with probability 0.15, at least one always is, special tokens never are.

    Raises
    ------
    DataError: the window holds special tokens only.
    """
    random = np.random.default_rng(int(window.id, 16))
    tokens = window.tokens
    eligible = np.flatnonzero(~np.isin(tokens, list(special_ids)))
    if not eligible.size:
        raise DataError(
            "a window of special tokens only, nothing can be masked",
            where=f"window {window.id}",
            fix="remove it",
        )
    chosen = eligible[random.random(eligible.size) < _MASKED_SHARE]
    if not chosen.size:
        chosen = random.choice(eligible, size=1)
    labels = np.full_like(tokens, IGNORED)
    labels[chosen] = tokens[chosen]
    fate = random.random(chosen.size)
    inputs = tokens.copy()
    inputs[chosen[fate < _REPLACED]] = mask_id
    scrambled = chosen[(fate >= _REPLACED) & (fate < _REPLACED + _RANDOM)]
    inputs[scrambled] = random.integers(vocab_size, size=scrambled.size)
    return inputs, labels
