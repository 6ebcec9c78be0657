from __future__ import annotations

import json
from pathlib import Path

import pytest

from invarlock.data.dataset_spec import DatasetSpec
from invarlock.data.documents import Document
from invarlock.data.local_files import read_local_jsonl, read_local_jsonl_pairs, read_local_text
from invarlock.data.providers import load_texts
from invarlock.errors import DataError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "texts"
    (root / "inner").mkdir(parents=True)
    (root / "b.txt").write_text("second")
    (root / "a.md").write_text("first")
    (root / "inner" / "c.txt").write_text("third")
    (root / "blank.txt").write_text(" \n")
    (root / "picture.png").write_bytes(b"\x89PNG")
    return root


def test_folder_and_files_in_order(folder: Path) -> None:
    found = list(read_local_text([str(folder), str(folder / "b.txt")]))
    assert [(d.id, d.text) for d in found] == [
        ("texts/a.md", "first"),
        ("texts/b.txt", "second"),
        ("texts/blank.txt", " \n"),
        ("texts/inner/c.txt", "third"),
        ("b.txt", "second"),
    ]


def test_blank_documents_are_left_out(folder: Path) -> None:
    documents = load_texts(
        DatasetSpec.model_validate({"provider": "local_text", "seq_len": 8, "paths": str(folder)})
    )
    assert [d.text for d in documents] == ["first", "second", "third"]


def test_jsonl(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    file.write_text(
        json.dumps({"body": "eins\u2028zwei"}, ensure_ascii=False) + "\n\n" + json.dumps({"body": "drei"})
    )
    assert list(read_local_jsonl([str(file)], "body")) == [
        Document("x.jsonl#1", "eins\u2028zwei"),
        Document("x.jsonl#3", "drei"),
    ]


def test_pairs(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    file.write_text(json.dumps({"source": "ja", "target": "yes"}))
    assert list(read_local_jsonl_pairs([str(file)], "source", "target")) == [
        Document("x.jsonl#1", "ja", "yes")
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "not JSON"),
        ("[1]", "a list, not an object"),
        ('{"body": "x"}', r"set dataset.text_field to a field that holds text \(here: body\)"),
        ('{"text": 3}', "no text in field 'text'"),
    ],
)
def test_bad_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    file = tmp_path / "x.jsonl"
    file.write_text('{"text": "fine"}\n' + line)
    with pytest.raises(DataError) as caught:
        list(read_local_jsonl([str(file)], "text"))
    assert caught.match(f"(?s)(?=.*{message})(?=.*x.jsonl, line 2)")


def test_missing_and_empty(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        list(read_local_text([str(tmp_path / "nowhere")]))
    with pytest.raises(DataError, match=r"no \*\.txt or \*\.md file here"):
        list(read_local_text([str(tmp_path)]))


def test_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"caf\xe9")
    with pytest.raises(DataError, match=r"(?s)not UTF-8 text: .* at byte 3.*a\.txt"):
        list(read_local_text([str(tmp_path)]))


def test_two_files_of_one_name(tmp_path: Path) -> None:
    for side in "xy":
        (tmp_path / side).mkdir()
        (tmp_path / side / "a.txt").write_text(side)
    with pytest.raises(DataError, match=r"two files would both be document 'a\.txt'"):
        list(read_local_text([str(tmp_path / side / "a.txt") for side in "xy"]))


def test_empty_side_of_the_split(tmp_path: Path) -> None:
    (tmp_path / "blank.txt").write_text("\n")
    spec = DatasetSpec.model_validate({"provider": "local_text", "seq_len": 8, "paths": str(tmp_path)})
    with pytest.raises(DataError, match=r"(?s)no text.*provider local_text, split all"):
        load_texts(spec)
