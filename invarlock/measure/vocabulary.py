"""The tokenizer beside a checkpoint, as far as measuring needs it."""

from __future__ import annotations

from pathlib import Path

from invarlock.data.tokenizer import Tokenizer, load_tokenizer

# transformers 5 makes up an empty tokenizer for BERT, GPT-2 and T5 folders that hold none of these.
_VOCABULARY_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "spiece.model",
    "sentencepiece.bpe.model",
    "vocab.json",
    "vocab.txt",
)


def find_tokenizer(root: Path) -> Tokenizer | None:
    """The tokenizer in ``root``, None when no vocabulary is there. Raises ModelError for a damaged one."""
    if not any((root / name).is_file() for name in _VOCABULARY_FILES):
        return None
    return load_tokenizer(root)


def vocabulary_size(root: Path) -> int | None:
    """Number of tokens, added ones included; None without a tokenizer."""
    tokenizer = find_tokenizer(root)
    return None if tokenizer is None else len(tokenizer.get_vocab())
