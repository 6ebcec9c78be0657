"""Masks for masked language models, a pure function of the window (Devlin et al. 2019, section 3.1)."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

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
    random = _random_of(window)
    tokens = window.tokens
    chosen = _choose(window, special_ids, random)
    if not chosen.size:
        raise DataError(
            "a window of special tokens only, nothing can be masked",
            where=f"window {window.id}",
            fix="remove it",
        )
    labels = np.full_like(tokens, IGNORED)
    labels[chosen] = tokens[chosen]
    fate = random.random(chosen.size)
    inputs = tokens.copy()
    inputs[chosen[fate < _REPLACED]] = mask_id
    scrambled = chosen[(fate >= _REPLACED) & (fate < _REPLACED + _RANDOM)]
    inputs[scrambled] = random.integers(vocab_size, size=scrambled.size)
    return inputs, labels


def count_masked(window: Window, *, special_ids: Collection[int]) -> int:
    """How many tokens of ``window`` :func:`mask_window` has predicted; none where it refuses the window."""
    return _choose(window, special_ids, _random_of(window)).size


def _random_of(window: Window) -> np.random.Generator:
    return np.random.default_rng(int(window.id, 16))


def _choose(window: Window, special_ids: Collection[int], random: np.random.Generator) -> NDArray[np.intp]:
    """Positions that are predicted."""
    eligible = np.flatnonzero(~np.isin(window.tokens, list(special_ids)))
    chosen = eligible[random.random(eligible.size) < _MASKED_SHARE]
    return random.choice(eligible, size=1) if eligible.size and not chosen.size else chosen
