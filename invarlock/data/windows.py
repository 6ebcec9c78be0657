"""Windows: what a model is evaluated on, each named by the hash of its token ids and labels.

Documents are joined with the separator token between them and cut into windows of ``seq_len`` tokens that do
not overlap; the last, partial one is dropped. A pair of sequence-to-sequence data is one window by itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from invarlock.data.dataset_spec import DatasetSpec
from invarlock.data.documents import Document, hash_documents
from invarlock.data.providers import load_texts
from invarlock.data.tokenizer import Tokenizer, encode_texts, hash_tokenizer, separator_token
from invarlock.store.measurement_store import MeasurementStore

Tokens = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Window:
    """One window. Two windows with one id are the same window.

    id: first 16 hex digits of the SHA-256 of tokens and labels (:func:`window_id`).
    tokens: int32, shape (length,), read-only.
    labels: int32 target tokens of a sequence-to-sequence pair; None when the model's own task makes them.
    """

    id: str
    tokens: Tokens = field(compare=False, repr=False)
    labels: Tokens | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class WindowPool:
    """Every distinct window of some texts, in the order of the text.

    duplicates: windows that were dropped because their id had occurred; texts: documents (or pairs) read;
    tokens: of all the windows kept, labels included; seq_len: the length of each window, for pairs the
    length at which sources and targets are cut.
    """

    windows: tuple[Window, ...]
    provider: str
    dataset_hash: str
    tokenizer_hash: str
    seq_len: int
    duplicates: int
    texts: int
    tokens: int

    def select(self, ids: Iterable[str]) -> tuple[Window, ...]:
        """The windows of ``ids``, in that order. KeyError for an id that is not in the pool."""
        by_id = {window.id: window for window in self.windows}
        return tuple(by_id[window] for window in ids)


def window_id(tokens: Tokens, labels: Tokens | None = None) -> str:
    """First 16 hex digits of SHA-256 over both lengths (little-endian int64), tokens and labels (int32)."""
    lengths = np.array([len(tokens), 0 if labels is None else len(labels)], dtype="<i8")
    digest = hashlib.sha256(lengths.tobytes())
    for part in (tokens, labels):
        if part is not None:
            digest.update(part.astype("<i4").tobytes())
    return digest.hexdigest()[:16]


def make_window(tokens: Sequence[int] | Tokens, labels: Sequence[int] | Tokens | None = None) -> Window:
    """A window over a read-only copy of its tokens and labels."""
    kept_tokens = _frozen(tokens)
    kept_labels = None if labels is None else _frozen(labels)
    return Window(window_id(kept_tokens, kept_labels), kept_tokens, kept_labels)


def _frozen(values: Sequence[int] | Tokens) -> Tokens:
    array = np.array(values, dtype=np.int32)
    array.setflags(write=False)
    return array


def build_pool(
    spec: DatasetSpec,
    tokenizer: Tokenizer,
    *,
    allow_network: bool = False,
    kept: MeasurementStore | None = None,
) -> WindowPool:
    """Read the texts of ``spec`` and cut them into windows; kept: where texts that take long to read are kept.

    Raises DataError when there is no text.
    """
    documents = load_texts(spec, allow_network=allow_network, kept=kept)
    return pool_windows(documents, tokenizer, seq_len=spec.seq_len, provider=spec.provider.value)


def pool_windows(
    documents: Sequence[Document], tokenizer: Tokenizer, *, seq_len: int, provider: str
) -> WindowPool:
    """Tokenise ``documents`` and keep each distinct window once.

    Raises DataError when the tokenizer has no token to put between documents.
    """
    if any(document.target is not None for document in documents):
        windows = _pair_windows(documents, tokenizer, seq_len)
    else:
        windows = _text_windows(documents, tokenizer, seq_len)
    kept = tuple({window.id: window for window in windows}.values())  # in the order of first occurrence
    return WindowPool(
        windows=kept,
        provider=provider,
        dataset_hash=hash_documents(documents),
        tokenizer_hash=hash_tokenizer(tokenizer),
        seq_len=seq_len,
        duplicates=len(windows) - len(kept),
        texts=len(documents),
        tokens=sum(len(w.tokens) + (0 if w.labels is None else len(w.labels)) for w in kept),
    )


def join_tokens(documents: Sequence[Document], tokenizer: Tokenizer) -> Tokens:
    """All documents as one int32 stream, the separator token between them."""
    separator = separator_token(tokenizer)
    parts: list[list[int]] = []
    for tokens in encode_texts(tokenizer, [document.text for document in documents]):
        parts += [tokens, [separator]]
    return np.concatenate(
        [np.asarray(part, dtype=np.int32) for part in parts[:-1]] or [np.zeros(0, np.int32)]
    )


def _text_windows(documents: Sequence[Document], tokenizer: Tokenizer, seq_len: int) -> list[Window]:
    stream = join_tokens(documents, tokenizer)
    full = len(stream) // seq_len
    return [make_window(row) for row in stream[: full * seq_len].reshape(full, seq_len)]


def _pair_windows(documents: Sequence[Document], tokenizer: Tokenizer, seq_len: int) -> list[Window]:
    sources = encode_texts(tokenizer, [document.text for document in documents], special_tokens=True)
    targets = encode_texts(tokenizer, [document.target or "" for document in documents], special_tokens=True)
    return [
        make_window(source[:seq_len], target[:seq_len])
        for source, target in zip(sources, targets, strict=True)
    ]
