"""The tokenizer beside a checkpoint, as far as measuring needs it."""

from __future__ import annotations

from pathlib import Path

from invarlock.data.tokenizer import Tokenizer, has_tokenizer, load_tokenizer


def find_tokenizer(root: Path) -> Tokenizer | None:
    """The tokenizer in ``root``, None when no vocabulary is there. Raises ModelError for a damaged one."""
    return load_tokenizer(root) if has_tokenizer(root) else None


def vocabulary_size(root: Path) -> int | None:
    """Number of tokens, added ones included; None without a tokenizer."""
    tokenizer = find_tokenizer(root)
    return None if tokenizer is None else len(tokenizer.get_vocab())
