"""Documents named by their hash."""

from __future__ import annotations

from pathlib import Path

import pytest

from invarlock.errors import StoreError
from invarlock.store.documents import DocumentStore, read_document


def test_equal_documents_share_one_reference(tmp_path: Path) -> None:
    store = DocumentStore(tmp_path)
    assert store.put({"b": 1, "a": [0.1]}) == store.put({"a": [0.1], "b": 1})


def test_an_altered_document_is_refused_and_repaired_by_writing_again(tmp_path: Path) -> None:
    store = DocumentStore(tmp_path)
    reference = store.put({"z": 1.5})
    Path(reference.path).write_bytes(b'{"z":9.5}')
    with pytest.raises(StoreError, match="altered"):
        read_document(reference)
    store.put({"z": 1.5})
    assert read_document(reference) == b'{"z":1.5}'


def test_a_lost_document_is_an_error(tmp_path: Path) -> None:
    reference = DocumentStore(tmp_path).put([1])
    Path(reference.path).unlink()
    with pytest.raises(StoreError, match="gone"):
        read_document(reference)


def test_nan_cannot_be_kept(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        DocumentStore(tmp_path).put({"z": float("nan")})
