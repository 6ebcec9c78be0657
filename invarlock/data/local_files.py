"""``local_text``, ``local_jsonl`` and ``local_jsonl_pairs``: texts of the user's own files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from invarlock.data.documents import Document
from invarlock.errors import DataError


def read_local_text(paths: Sequence[str]) -> Iterator[Document]:
    """One document a file: the named files, and every *.txt and *.md below the named folders."""
    for name, path in _find(paths, (".txt", ".md")):
        yield Document(name, _read(path))


def read_local_jsonl(paths: Sequence[str], text_field: str) -> Iterator[Document]:
    """One document a line, its text under ``text_field``."""
    for name, where, row in _rows(paths):
        yield Document(name, _text(row, text_field, where, "dataset.text_field"))


def read_local_jsonl_pairs(paths: Sequence[str], source_field: str, target_field: str) -> Iterator[Document]:
    """One pair a line, for sequence-to-sequence models."""
    for name, where, row in _rows(paths):
        source = _text(row, source_field, where, "dataset.source_field")
        target = _text(row, target_field, where, "dataset.target_field")
        yield Document(name, source, target)


def _find(paths: Sequence[str], suffixes: Sequence[str]) -> list[tuple[str, Path]]:
    """Every file with its document name: relative to the folder's parent, so a moved folder keeps them."""
    found: list[tuple[str, Path]] = []
    for named in map(Path, paths):
        if named.is_dir():
            inside = sorted(p for p in named.rglob("*") if p.suffix in suffixes and p.is_file())
            found += [
                (f"{named.resolve().name}/{path.relative_to(named).as_posix()}", path) for path in inside
            ]
        elif named.is_file():
            found.append((named.name, named))
        else:
            raise DataError(
                "no such file or folder", where=f"dataset.paths: {named}", fix="name existing text"
            )
    if not found:
        raise DataError(
            f"no {' or '.join('*' + suffix for suffix in suffixes)} file here",
            where=f"dataset.paths: {', '.join(paths)}",
            fix="name files, or a folder that holds some",
        )
    names: dict[str, Path] = {}
    for name, path in found:
        if name in names:
            raise DataError(
                f"two files would both be document {name!r}",
                where=f"dataset.paths: {names[name]} and {path}",
                fix="rename one, or name their common folder instead",
            )
        names[name] = path
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"not UTF-8 text: {error.reason} at byte {error.start}", where=path, fix="convert it"
        ) from error
    except OSError as error:
        raise DataError(f"cannot read: {error.strerror}", where=path, fix="check its permissions") from error


def _rows(paths: Sequence[str]) -> Iterator[tuple[str, str, Mapping[str, object]]]:
    """Document name, file and line, and the object of every line that is not blank."""
    for name, path in _find(paths, (".jsonl",)):
        for number, line in enumerate(_read(path).split("\n"), start=1):
            if not line.strip():
                continue
            where = f"{path}, line {number}"
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise DataError(
                    f"not JSON: {error.msg}", where=where, fix="one JSON object a line"
                ) from error
            if not isinstance(row, dict):
                raise DataError(
                    f"a {type(row).__name__}, not an object", where=where, fix="one JSON object a line"
                )
            yield f"{name}#{number}", where, row


def _text(row: Mapping[str, object], field: str, where: str, key: str) -> str:
    value = row.get(field)
    if not isinstance(value, str):
        known = ", ".join(sorted(name for name, held in row.items() if isinstance(held, str))) or "none"
        raise DataError(
            f"no text in field {field!r}",
            where=where,
            fix=f"set {key} to a field that holds text (here: {known})",
        )
    return value
