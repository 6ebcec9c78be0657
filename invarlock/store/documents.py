"""Finished documents by their own hash: what cached tasks hand to each other instead of big values."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from invarlock.digests import canonical_json, sha256_hex
from invarlock.errors import StoreError
from invarlock.files import write_atomic
from invarlock.record import Record


class Reference(Record):
    """A small, hashable handle of a document: hex SHA-256, path and size in bytes."""

    sha256: str
    path: str
    bytes: int


class References(Record):
    """Handles of several documents that were made at once, each under its name."""

    items: Mapping[str, Reference]


class DocumentStore:
    """Documents under ``root``, each named by the SHA-256 of its bytes."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, value: object) -> Reference:
        """Keep ``value`` (a record or strict JSON) and return its reference."""
        data = canonical_json(value)
        sha256 = sha256_hex(data)
        path = self.root / sha256[:2] / f"{sha256}.json"
        # Rewritten even when a file of that name exists: the one there may be damaged.
        write_atomic(path, data)
        return Reference(sha256=sha256, path=str(path), bytes=len(data))


def read_document(reference: Reference) -> bytes:
    """The bytes behind ``reference``. StoreError when they are gone or not the ones that were kept."""
    path = Path(reference.path)
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise StoreError("a kept document is gone", where=path, fix="run the command again") from error
    if sha256_hex(data) != reference.sha256:
        raise StoreError("a kept document was altered", where=path, fix="run the command again")
    return data
