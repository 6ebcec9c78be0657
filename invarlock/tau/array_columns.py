"""Columns of .npy, .npz and .parquet files."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from invarlock.tau.column_kind import ColumnKind
from invarlock.tau.errors import TauError


def npy_column(path: Path, column: str, kind: ColumnKind) -> NDArray[Any]:
    """A memory map of an .npy file; it has no columns, so ``column`` only names it in messages."""
    try:
        values: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise TauError(f"is no .npy of numbers: {error}", where=path, fix="numpy.save it") from error
    _check(path, column, values.dtype, kind)
    return values.reshape(-1)


def npz_column(path: Path, column: str, kind: ColumnKind) -> NDArray[Any]:
    """An array of an .npz file, flattened."""
    if not zipfile.is_zipfile(path):
        raise TauError("is no .npz", where=path, fix="numpy.savez it")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            names = list(arrays)
            values: NDArray[Any] = arrays[column].reshape(-1) if column in names else np.empty(0)
    except (zipfile.BadZipFile, EOFError, ValueError) as error:
        raise TauError(f"is no .npz of plain arrays: {error}", where=path, fix="numpy.savez it") from error
    if column not in names:
        raise _absent(path, column, names)
    _check(path, column, values.dtype, kind)
    return values


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
    except pyarrow.ArrowException as error:
        raise TauError(f"is no Parquet file: {error}", where=path, fix="write it again") from error
    if cells.null_count:
        row = cells.is_null().to_pylist().index(True)
        raise TauError(
            f"row {row}, column {column}: missing, not {kind}", where=path, fix="write nan for a fault"
        )
    values: NDArray[Any] = cells.to_numpy()
    if pyarrow.types.is_string(cells.type) or pyarrow.types.is_large_string(cells.type):
        values = values.astype(str)
    _check(path, column, values.dtype, kind)
    return values


def _absent(path: Path, column: str, present: list[str]) -> TauError:
    return TauError(f"has no column {column!r}", where=path, fix=f"columns there: {', '.join(present)}")


def _check(path: Path, column: str, dtype: np.dtype[Any], kind: ColumnKind) -> None:
    if not kind.allows(dtype):
        raise TauError(
            f"column {column} is {dtype}; a cell must be {kind}", where=path, fix="convert it first"
        )
