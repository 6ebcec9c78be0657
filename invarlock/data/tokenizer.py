"""What windows need of a tokenizer; a loaded transformers tokenizer gives it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, cast

from invarlock.digests import digest_of, sha256_file
from invarlock.errors import DataError, ModelError
from invarlock.home import find_model
from invarlock.network import network_allowed

_VOCABULARY_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "spiece.model",
    "sentencepiece.bpe.model",
    "vocab.json",
    "vocab.txt",
)

_TOKENIZER_FILES = (
    *_VOCABULARY_FILES,
    "added_tokens.json",
    "merges.txt",
    "special_tokens_map.json",
    "tokenizer_config.json",
)


class Tokenizer(Protocol):
    """The part of ``transformers.PreTrainedTokenizerBase`` that is used here."""

    eos_token_id: int | None
    sep_token_id: int | None
    mask_token_id: int | None
    all_special_ids: list[int]

    def __call__(
        self, text: list[str], *, add_special_tokens: bool, verbose: bool
    ) -> Mapping[str, list[list[int]]]:
        """Token ids of each text under ``input_ids``."""

    def get_vocab(self) -> dict[str, int]:
        """Every token and its id."""


def encode_texts(
    tokenizer: Tokenizer, texts: Sequence[str], *, special_tokens: bool = False
) -> list[list[int]]:
    """Token ids of each text, uncut; ``special_tokens`` adds the model's own framing."""
    if not texts:
        return []
    # verbose=False: texts longer than the model's context are expected here, they are cut into windows.
    return tokenizer(list(texts), add_special_tokens=special_tokens, verbose=False)["input_ids"]


def separator_token(tokenizer: Tokenizer) -> int:
    """The token between documents: end of sequence, or the separator of models that have none (BERT)."""
    for token in (tokenizer.eos_token_id, tokenizer.sep_token_id):
        if token is not None:
            return token
    raise DataError(
        "the tokenizer has no token to put between documents",
        where=type(tokenizer).__name__,
        fix="set eos_token in the model's tokenizer_config.json",
    )


def hash_tokenizer(tokenizer: Tokenizer) -> str:
    """Hex SHA-256 of the tokenizer's serialised form and its special tokens.

    Of a tokenizer without a serialised form (a few are pure Python) the vocabulary and class name are taken.
    Padding and truncation are left out: calls change them and none is used for windows.
    """
    special = {"eos": tokenizer.eos_token_id, "sep": tokenizer.sep_token_id}
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return digest_of({"class": type(tokenizer).__name__, "vocab": tokenizer.get_vocab(), **special})
    form = json.loads(backend.to_str())
    return digest_of({"backend": {**form, "padding": None, "truncation": None}, **special})


def hash_tokenizer_files(folder: Path) -> str:
    """Hex SHA-256 over the tokenizer's files in ``folder``, as they are."""
    present = [name for name in _TOKENIZER_FILES if (folder / name).is_file()]
    return digest_of({name: sha256_file(folder / name) for name in present})


def has_tokenizer(folder: Path) -> bool:
    """Whether a vocabulary is there. transformers 5 makes up an empty tokenizer for some folders without one."""
    return any((folder / name).is_file() for name in _VOCABULARY_FILES)


def load_tokenizer(reference: str | Path, allow_network: bool = False) -> Tokenizer:
    """The tokenizer of a model folder, ``bundled:NAME``, or a hub id (cached, or fetched when allowed).

    Raises
    ------
    ModelError: no tokenizer files there, damaged ones, or a hub id that is neither cached nor to be fetched.
    """
    from transformers import AutoTokenizer  # imported late: takes seconds, and reads the network switch

    folder = Path(find_model(str(reference)))
    if folder.is_dir() and not has_tokenizer(folder):
        raise ModelError(
            "no tokenizer in this folder",
            where=reference,
            fix="put tokenizer.json and tokenizer_config.json there",
        )
    online = network_allowed(allow_network)
    try:
        loaded = AutoTokenizer.from_pretrained(
            find_model(str(reference)), local_files_only=not online, trust_remote_code=False
        )
    except (OSError, ValueError, KeyError, TypeError) as error:  # the last two: parts are missing
        raise ModelError(
            f"no tokenizer can be loaded: {type(error).__name__}: {str(error).strip().partition(chr(10))[0]}",
            where=reference,
            fix="name a model folder with tokenizer.json and tokenizer_config.json"
            + ("" if online else ", or allow the network (INVARLOCK_ALLOW_NETWORK=1 or --allow-network)"),
        ) from error
    return cast(Tokenizer, loaded)
