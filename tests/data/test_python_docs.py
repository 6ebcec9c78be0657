from __future__ import annotations

import json.decoder
import math
import pydoc_data.topics
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from invarlock.data.documents import Document, hash_documents, is_held_out, select_split
from invarlock.data.python_docs import read_python_docs
from invarlock.store.measurement_store import MeasurementStore


def test_documents_hold_the_text_that_python_itself_shows() -> None:
    texts = {document.id: document.text for document in read_python_docs()}
    assert texts["topic/assert"] == pydoc_data.topics.topics["assert"].strip()
    assert "Simple JSON <https://json.org> decoder" in texts["module/json.decoder"]
    assert json.decoder.JSONDecoder.raw_decode.__doc__.split("\n")[0].strip() in texts["module/json.decoder"]
    assert math.acosh.__doc__ in texts["builtin/math"]


def test_enough_text_in_documents_of_unique_name() -> None:
    documents = read_python_docs()
    assert len({document.id for document in documents}) == len(documents) > 400
    assert sum(len(document.text) for document in documents) > 1_500_000


def test_no_tests_and_no_packages_of_others() -> None:
    parts = {part for document in read_python_docs() for part in document.id.replace("/", ".").split(".")}
    assert not parts & {"test", "tests", "idlelib", "lib2to3", "site-packages", "pytest"}


def long_paragraphs(documents: Iterable[Document]) -> set[str]:
    return {part for d in documents for part in d.text.split("\n\n") if len(part) >= 80}


def test_held_out_text_is_not_in_train() -> None:
    documents = read_python_docs()
    held_out, train = select_split(documents, "held_out"), select_split(documents, "train")
    assert not {d.id for d in held_out} & {d.id for d in train}
    assert not long_paragraphs(held_out) & long_paragraphs(train)
    assert all(is_held_out(d.id) for d in held_out)
    size = sum(len(d.text) for d in held_out)
    assert 0.15 < size / sum(len(d.text) for d in documents) < 0.35


def test_another_process_reads_the_same_and_imports_none_of_it() -> None:
    code = (
        "import sys; from invarlock.data.documents import hash_documents;"
        "from invarlock.data.python_docs import read_python_docs;"
        "print(hash_documents(read_python_docs()), {'turtle', 'tkinter', 'antigravity'} & set(sys.modules))"
    )
    environment = {"PYTHONHASHSEED": "7", "PYTHONPATH": ":".join(sys.path)}
    shown = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.split(maxsplit=1) == [hash_documents(read_python_docs()), "set()\n"]


def test_read_once_in_a_process() -> None:
    assert read_python_docs() is read_python_docs()


def test_docstrings_are_parsed_once_and_kept(tmp_path: Path) -> None:
    first, second = MeasurementStore(tmp_path), MeasurementStore(tmp_path)
    parsed, written, found = read_python_docs(), read_python_docs(first), read_python_docs(second)
    assert parsed == written == found
    assert first.counts().written == second.counts().found == {"python_docs": 1}
    assert second.counts().written == {}


def test_a_damaged_entry_is_not_read(tmp_path: Path) -> None:
    read_python_docs(MeasurementStore(tmp_path))
    (entry,) = (path for path in tmp_path.rglob("*") if path.is_file())
    entry.write_bytes(entry.read_bytes().replace(b"Simple JSON", b"Sample JSON"))
    store = MeasurementStore(tmp_path)
    assert read_python_docs(store) == read_python_docs()
    assert len(store.counts().quarantined) == 1
