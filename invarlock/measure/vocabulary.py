"""The tokenizer beside a checkpoint, as far as measuring needs it."""

from __future__ import annotations

from pathlib import Path

from invarlock.data.tokenizer import Tokenizer, has_tokenizer, hash_tokenizer, load_tokenizer
from invarlock.digests import digest_of


def find_tokenizer(root: Path) -> Tokenizer | None:
    """The tokenizer in ``root``, None when no vocabulary is there. Raises ModelError for a damaged one."""
    return load_tokenizer(root) if has_tokenizer(root) else None


def vocabulary_size(root: Path) -> int | None:
    """Number of tokens, added ones included; None without a tokenizer."""
    tokenizer = find_tokenizer(root)
    return None if tokenizer is None else len(tokenizer.get_vocab())


def digest_tokens(root: Path, *, masked: bool) -> str | None:
    """Hex SHA-256 over what decides the tokens that are predicted; None without a tokenizer.

    However it was saved: a file saved again may differ in what is no part of that. masked: the mask and special
    tokens are.
    """
    tokenizer = find_tokenizer(root)
    if tokenizer is None:
        return None
    masking = [tokenizer.mask_token_id, sorted(tokenizer.all_special_ids)] if masked else None
    return digest_of([hash_tokenizer(tokenizer), masking])
