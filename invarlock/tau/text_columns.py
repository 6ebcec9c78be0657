"""Columns of .csv and .jsonl files, each bad cell told by its line."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from invarlock.tau.column_kind import ColumnKind
from invarlock.tau.errors import TauError

_Cells = Iterator[float | bool | str]
_SHOWN = 60  # characters of a bad cell


def csv_column(path: Path, column: str, kind: ColumnKind) -> NDArray[Any]:
    """A column of a CSV file in UTF-8 whose first row names the columns."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            return _array(_csv_cells(path, csv.reader(file, strict=True), column, kind), kind)
        except (csv.Error, UnicodeDecodeError) as error:
            raise TauError(f"is no CSV in UTF-8: {error}", where=path, fix="save it again") from error


def jsonl_column(path: Path, column: str, kind: ColumnKind) -> NDArray[Any]:
    """A key of the objects of a file with one JSON object a line."""
    with path.open("rb") as file:
        return _array(_jsonl_cells(path, file, column, kind), kind)


def _csv_cells(path: Path, rows: Any, column: str, kind: ColumnKind) -> _Cells:
    header: list[str] = next(rows, [])
    if header.count(column) != 1:
        raise TauError(
            f"line 1 names column {column!r} {header.count(column)} times, not once",
            where=path,
            fix=f"columns there: {', '.join(header)}",
        )
    at = header.index(column)
    for row in rows:
        if not row and len(header) > 1:  # an empty line; in a file of one column it would be a missing cell
            continue
        if len(row) != len(header):
            raise TauError(
                f"line {rows.line_num} has {len(row)} cells, line 1 has {len(header)}",
                where=path,
                fix="give each row a cell for every column",
            )
        try:
            yield kind.of_text(row[at])
        except ValueError as error:
            raise _bad_cell(path, rows.line_num, column, row[at], kind) from error


def _jsonl_cells(path: Path, lines: Iterable[bytes], column: str, kind: ColumnKind) -> _Cells:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line, object_pairs_hook=_object)
        except (ValueError, RecursionError) as error:
            raise TauError(
                f"line {number} is no JSON: {error}", where=path, fix="one object a line"
            ) from error
        if not isinstance(found, dict) or column not in found:
            raise TauError(f"line {number} has no key {column!r}", where=path, fix="one object a line")
        try:
            yield kind.of_json(found[column])
        except ValueError as error:
            raise _bad_cell(path, number, column, found[column], kind) from error


def _array(cells: _Cells, kind: ColumnKind) -> NDArray[Any]:
    if kind is not ColumnKind.ID:
        return np.fromiter(cells, np.float64 if kind is ColumnKind.Q_ABS else np.bool_)
    return np.array([str(name) for name in cells], object)  # of text each as long as it is


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is there twice")
    return found


def _bad_cell(path: Path, line: int, column: str, cell: object, kind: ColumnKind) -> TauError:
    shown = "null" if cell is None else repr(cell)
    if len(shown) > _SHOWN:
        shown = shown[:_SHOWN] + "..."
    fix = kind.fix_of_missing(path.suffix) if cell in (None, "") else kind.fix
    return TauError(f"line {line}, column {column}: {shown} is not {kind}", where=path, fix=fix)
