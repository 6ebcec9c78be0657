"""Samples from files: .npy, .npz, .csv, .parquet and .jsonl."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from invarlock.tau.array_columns import npy_column, npz_column, parquet_column
from invarlock.tau.column_kind import ColumnKind
from invarlock.tau.errors import TauError
from invarlock.tau.gate_dtype import GateDtype
from invarlock.tau.samples import QAbsSamples, checked_samples, float_dtype
from invarlock.tau.text_columns import csv_column, jsonl_column

_READERS: Mapping[str, Callable[[Path, str, ColumnKind], NDArray[Any]]] = {
    ".npy": npy_column,
    ".npz": npz_column,
    ".csv": csv_column,
    ".parquet": parquet_column,
    ".jsonl": jsonl_column,
}
_TEXT = (".csv", ".jsonl")


def read_q_abs(
    path: str | os.PathLike[str],
    *,
    labels: str | os.PathLike[str] | None = None,
    ids: str | os.PathLike[str] | None = None,
    q_column: str = "q_abs",
    label_column: str = "is_in_range",
    id_column: str | None = None,
    gate_dtype: GateDtype | None = None,
    rows_are_samples: bool = False,
) -> QAbsSamples:
    """Samples from a file of |Q|, and files beside it that have the same rows.

    Parameters
    ----------
    path: of |Q|. An .npy is mapped and read slice by slice; other files are held in memory.
    labels, ids: files of the labels and sample ids; None for ``path`` itself, which an .npy cannot serve. Arrays
        have the shape of |Q|.
    q_column, label_column, id_column: column, key or array name in each; an .npy has none. Ids are read where
        ``ids`` or ``id_column`` is given, else row numbers stand in.
    gate_dtype: the dtype that Q has in deployment. None for that of the file, where it has a floating one that some
        |Q| needs: text and integers do not say, values that a narrower dtype holds as well may come from a head in
        that, and a tau that is exact in a wider dtype may be rounded onto the very |Q| that it is to keep out.
    rows_are_samples: your word that every row is a sample of its own, where there are no ids to show it.

    Raises TauError, which names file and line, row or column.
    """
    path = Path(path)
    labels, ids = Path(labels or path), Path(ids or path) if ids or id_column is not None else None
    if labels == path and path.suffix == ".npy":
        raise TauError("an .npy holds |Q| alone", where=path, fix="give a file of labels")
    q_abs = _read(path, q_column, ColumnKind.Q_ABS)
    is_in_range = _read(labels, label_column, ColumnKind.LABEL)
    names = None if ids is None else _read(ids, id_column or "id", ColumnKind.ID)
    for found, file in ((is_in_range, labels), (names, ids)):
        if found is not None and found.shape != q_abs.shape:
            raise TauError(
                f"has {_extent(found)}; {path} has {_extent(q_abs)}", where=file, fix="pair the files"
            )
    samples = checked_samples(
        q_abs.reshape(-1),
        is_in_range.reshape(-1),
        float_dtype(q_abs.dtype, q_column),
        ids=None if names is None else names.reshape(-1),
        gate_dtype=gate_dtype,
        where=path,
        rows_are_samples=rows_are_samples,
    )
    if gate_dtype is None:
        _ensure_said(samples, q_column, path.suffix not in _TEXT and q_abs.dtype.kind == "f")
    return samples


def _ensure_said(samples: QAbsSamples, column: str, floating: bool) -> None:
    """TauError where the file does not tell the gate's dtype: it has no floating one, or one that no |Q| needs."""
    if not floating:
        raise TauError(
            f"does not say in which dtype the gate compares {column}",
            where=samples.where,
            fix="name it, as --gate-dtype float32 (gate_dtype in Python)",
        )
    if narrower := _narrower(samples):
        raise TauError(
            f"every finite {column} is exact in {' and '.join(narrower)} too: the gate may compare in another dtype "
            f"than the file's {samples.dtype}",
            where=samples.where,
            fix=f"name that of Q: --gate-dtype {' or '.join([*narrower, samples.dtype])} (gate_dtype in Python)",
        )


def _narrower(samples: QAbsSamples) -> list[GateDtype]:
    """The dtypes narrower than that of ``samples`` that hold all their finite values.

    Reads on only while there is one: as a rule the first chunk.
    """
    left = [dtype for dtype in GateDtype if dtype is not samples.dtype and samples.dtype.holds(dtype)]
    for chunk in samples.chunks():
        values = chunk.q_abs[np.isfinite(chunk.q_abs)]
        left = [dtype for dtype in left if (dtype.round(values) == values).all()]
        if not left:
            break
    return left


def _extent(column: NDArray[Any]) -> str:
    return f"{len(column)} rows" if column.ndim == 1 else f"shape {column.shape}"


def _read(path: Path, column: str, kind: ColumnKind) -> NDArray[Any]:
    reader = _READERS.get(path.suffix)
    if reader is None:
        raise TauError(f"no reader for {path.suffix!r}", where=path, fix=f"use {', '.join(_READERS)}")
    try:
        return reader(path, column, kind)
    except OSError as error:
        raise TauError(f"cannot read: {error.strerror or error}", where=path, fix="check the name") from error
