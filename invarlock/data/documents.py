"""Documents: texts with a name, split by the hash of the name so that no split depends on order."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from invarlock.digests import digest_of

Split = Literal["held_out", "train", "all"]

_HELD_OUT_BELOW = 64  # of the 256 values of the hash's first byte: a quarter


@dataclass(frozen=True, slots=True)
class Document:
    """One text. ``target`` is set for sequence-to-sequence pairs, where ``text`` is the source."""

    id: str
    text: str
    target: str | None = None


def is_held_out(document_id: str) -> bool:
    """Whether the SHA-256 of the id lies in the lowest quarter of hash space.

    It depends on the id alone: a document keeps its side when others come, go or change places.
    """
    return hashlib.sha256(document_id.encode()).digest()[0] < _HELD_OUT_BELOW


def select_split(documents: Iterable[Document], split: Split) -> tuple[Document, ...]:
    """The documents of one side of the split, in their order."""
    if split == "all":
        return tuple(documents)
    return tuple(document for document in documents if is_held_out(document.id) == (split == "held_out"))


def hash_documents(documents: Sequence[Document]) -> str:
    """Hex SHA-256 over the ids and texts, in order: the ``dataset_hash`` of pools, schedules and reports."""
    return digest_of(
        [
            [document.id, document.text]
            if document.target is None
            else [document.id, document.text, document.target]
            for document in documents
        ]
    )
