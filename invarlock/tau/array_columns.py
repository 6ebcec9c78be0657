"""Columns of .npy, .npz and .parquet files."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.typing import NDArray

from invarlock.tau.column_kind import ColumnKind
from invarlock.tau.errors import TauError

# What numpy and zipfile raise where bytes are not what they should be.
_DAMAGED = (ValueError, EOFError, RuntimeError, TokenError, zipfile.BadZipFile, zlib.error)


def npy_column(path: Path, column: str, kind: ColumnKind) -> NDArray[Any]:
    """A memory map of an .npy file; it has no columns, so ``column`` only names it in messages."""
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except _DAMAGED as error:
        raise TauError(f"is no .npy of numbers: {error}", where=path, fix="numpy.save it") from error
    return _checked(path, column, values, kind)


def npz_column(path: Path, column: str, kind: ColumnKind) -> NDArray[Any]:
    """An array of an .npz file."""
    if not zipfile.is_zipfile(path):
        raise TauError("is no .npz", where=path, fix="numpy.savez it")
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            names = list(arrays)
            values = arrays[column] if column in names else None
    except _DAMAGED as error:
        raise TauError(f"is no .npz of plain arrays: {error}", where=path, fix="numpy.savez it") from error
    if column not in names:
        raise _absent(path, column, names)
    return _checked(path, column, values, kind)


def parquet_column(path: Path, column: str, kind: ColumnKind) -> NDArray[Any]:
    """A column of a Parquet file, without missing values. Needs pyarrow."""
    try:
        import pyarrow.parquet  # type: ignore[import-untyped]  # comes with mlflow
    except ImportError as error:
        raise TauError("reading .parquet needs pyarrow", where=path, fix="pip install pyarrow") from error
    try:
        file = pyarrow.parquet.ParquetFile(path)
        if column not in file.schema_arrow.names:
            raise _absent(path, column, file.schema_arrow.names)
        cells = file.read(columns=[column]).column(column)
    except (pyarrow.ArrowException, UnicodeDecodeError) as error:
        raise TauError(f"is no Parquet file: {error}", where=path, fix="write it again") from error
    if cells.null_count:
        row = cells.is_null().to_pylist().index(True)
        raise TauError(
            f"row {row}, column {column}: null, not {kind}", where=path, fix=kind.fix_of_missing(path.suffix)
        )
    return _checked(path, column, cells.to_numpy(), kind)


def _absent(path: Path, column: str, present: list[str]) -> TauError:
    return TauError(f"has no column {column!r}", where=path, fix=f"columns there: {', '.join(present)}")


def _checked(path: Path, column: str, values: object, kind: ColumnKind) -> NDArray[Any]:
    if not isinstance(values, np.ndarray):  # a .npz by another name, a member that is plain bytes
        raise TauError(f"{column} is no array", where=path, fix="numpy.save or numpy.savez it")
    if not kind.allows(values.dtype):
        raise TauError(
            f"column {column} is {values.dtype}; a cell must be {kind}", where=path, fix="convert it first"
        )
    return values
