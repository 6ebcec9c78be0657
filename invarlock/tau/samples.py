"""|Q| and the label of every sample of a split, read chunk by chunk and as often as asked."""

from __future__ import annotations

import mmap
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from invarlock.tau.errors import TauError
from invarlock.tau.gate_dtype import Floats, GateDtype

CHUNK = 1 << 16  # samples; sorted in the cache of one core


class IdSource(StrEnum):
    """What tells samples apart: ids; or row numbers, each row a sample of its own because somebody says so, or because
    nobody says anything."""

    GIVEN = "given"
    CLAIMED = "row_number_claimed"
    ROW_NUMBER = "row_number"


class Chunk(NamedTuple):
    """Some samples in order. start: row of the first; q_abs: in the gate's dtype; is_in_range: boolean."""

    start: int
    q_abs: Floats
    is_in_range: NDArray[np.bool_]


class Samples(Protocol):
    """What a sweep and a recommendation read."""

    @property
    def dtype(self) -> GateDtype:
        """In which |Q| and tau are compared."""

    @property
    def where(self) -> Path | None:
        """The file of |Q|, for messages."""

    @property
    def id_source(self) -> IdSource:
        """What tells samples apart."""

    def chunks(self) -> Iterator[Chunk]:
        """All samples, the same each time."""

    def censored_ids(self) -> NDArray[Any] | None:
        """Of the censored rows; None where no ids were given."""


@dataclass(frozen=True)
class QAbsSamples:
    """Arrays in memory, or memory maps of more than fits there. A |Q| that is NaN or infinite stands for a fault,
    whatever made it one.

    q_abs, is_in_range: one dimension, same length; ids: of the samples, None for their row numbers;
    rows_are_samples: the claim that, without ids, every row is a sample of its own.
    dtype: the gate's, in which chunks are given; what overflows in it is a fault there.
    where: the file of |Q|, for messages.
    """

    q_abs: NDArray[Any]
    is_in_range: NDArray[np.bool_]
    dtype: GateDtype
    ids: NDArray[Any] | None = None
    where: Path | None = None
    rows_are_samples: bool = False

    def __len__(self) -> int:
        return len(self.q_abs)

    @property
    def id_source(self) -> IdSource:
        """What tells samples apart."""
        if self.ids is not None:
            return IdSource.GIVEN
        return IdSource.CLAIMED if self.rows_are_samples else IdSource.ROW_NUMBER

    def chunks(self) -> Iterator[Chunk]:
        """All samples in order. TauError on a negative |Q|."""
        for start in range(0, len(self), CHUNK):
            rows = slice(start, start + CHUNK)
            given = self.q_abs[rows]  # whose sign may be lost where it is rounded
            if (given < 0).any():
                at = int(np.flatnonzero(given < 0)[0])
                raise TauError(
                    f"q_abs[{start + at}] is {given[at]:g}; |Q| is not negative",
                    where=self.where,
                    fix="pass abs(Q)",
                )
            yield Chunk(start, self.dtype.round(given), self.is_in_range[rows])
            for column in (self.q_abs, self.is_in_range):
                _let_go(column)

    def censored_ids(self) -> NDArray[Any] | None:
        """Of the censored rows; None where no ids were given."""
        return None if self.ids is None else self.ids[~self.is_in_range]


def samples_of(
    q_abs: ArrayLike,
    is_in_range: ArrayLike,
    *,
    ids: ArrayLike | None = None,
    gate_dtype: GateDtype | None = None,
    rows_are_samples: bool = False,
) -> QAbsSamples:
    """Samples from arrays, numpy or torch, of one shape.

    Parameters
    ----------
    q_abs: |Q|, float or integer, >= 0; NaN and infinity are faults.
    is_in_range: boolean, True where the sample's truth is in range, False where it is censored.
    ids: integers or text, one a sample.
    gate_dtype: the dtype that Q has in deployment, where that is narrower than the values'; theirs by default, and
        float64 for lists and integers. A tau says something of a gate in this dtype only.
    rows_are_samples: your word that every row is a sample of its own, where there are no ids to show it.

    Raises TauError on shapes that differ, no data, labels that are not boolean, values that are not numbers or are
    masked, and a gate whose dtype tells apart what the values do not.
    """
    q, dtype = float_array(q_abs, "q_abs")
    labels = _plain(is_in_range, "is_in_range")
    if q.shape != labels.shape:
        raise TauError(
            f"q_abs has shape {q.shape}, is_in_range {labels.shape}", fix="give one label a sample"
        )
    names = None if ids is None else _plain(ids, "ids")
    if names is not None and names.shape != q.shape:
        raise TauError(f"q_abs has shape {q.shape}, ids {names.shape}", fix="give one id a sample")
    flat = None if names is None else names.reshape(-1)
    return checked_samples(
        q.reshape(-1),
        labels.reshape(-1),
        dtype,
        ids=flat,
        gate_dtype=gate_dtype,
        rows_are_samples=rows_are_samples,
    )


def checked_samples(
    q_abs: NDArray[Any],
    is_in_range: NDArray[Any],
    dtype: GateDtype,
    *,
    ids: NDArray[Any] | None = None,
    gate_dtype: GateDtype | None = None,
    where: Path | None = None,
    rows_are_samples: bool = False,
) -> QAbsSamples:
    """Samples from arrays of one dimension and length; see :func:`samples_of`."""
    if len(q_abs) == 0:
        raise TauError("q_abs has no values", where=where, fix="a sweep needs at least one sample")
    if is_in_range.dtype != np.bool_:
        raise TauError(
            f"is_in_range is {is_in_range.dtype}, not boolean",
            where=where,
            fix="say what is in range: y <= limit",
        )
    gate = gate_dtype or dtype
    if not dtype.holds(gate):
        raise TauError(
            f"{dtype} values do not show where a {gate} gate cuts", where=where, fix=f"save |Q| as {gate}"
        )
    if rows_are_samples and ids is not None:
        raise TauError(
            "ids say which rows are one sample, and so does --rows-are-samples",
            where=where,
            fix="give one of them",
        )
    return QAbsSamples(
        q_abs=q_abs,
        is_in_range=is_in_range,
        ids=ids,
        dtype=gate,
        where=where,
        rows_are_samples=rows_are_samples,
    )


def float_array(values: ArrayLike, name: str) -> tuple[Floats, GateDtype]:
    """``values`` as an array of the type they have, and the type they are compared in: float64 for integers.

    TauError where they are no numbers.
    """
    if _is_bfloat16(values):
        return _plain(values.float(), name), GateDtype.BFLOAT16  # type: ignore[union-attr]
    array = _plain(values, name)
    return array, float_dtype(array.dtype, name)


def float_dtype(dtype: np.dtype[Any], name: str) -> GateDtype:
    """The type in which numbers of ``dtype`` are compared. TauError where they are none."""
    if dtype.kind in "iu":
        return GateDtype.FLOAT64
    if dtype.kind != "f" or dtype.itemsize > 8:
        raise TauError(f"{name} is {dtype}, not float16, float32 or float64", fix="convert it first")
    return GateDtype(dtype.newbyteorder("=").name)


def _plain(values: ArrayLike, name: str) -> NDArray[Any]:
    torch = sys.modules.get("torch")  # where torch was not imported, nothing is a tensor
    if torch is not None and isinstance(values, torch.Tensor):
        return np.asarray(values.detach().cpu())
    if np.ma.is_masked(values):
        raise TauError(f"{name} has masked values", fix="fill or drop them; nan stands for a fault only")
    try:
        return np.asarray(values)
    except ValueError as error:
        raise TauError(f"{name} is no array: {error}", fix="pass one array") from error


def _is_bfloat16(values: object) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(values, torch.Tensor) and values.dtype is torch.bfloat16


def _let_go(column: NDArray[Any]) -> None:
    """Drop the pages of the file that ``column`` maps, if it does: what was read would count as memory in use.

    They stay in the system's cache, and so do changes, but for those of a map with changes of its own (mode "c").
    """
    link: object = column
    while isinstance(link, np.ndarray):
        if isinstance(link, np.memmap) and link.mode == "c":
            return
        link = link.base
    if isinstance(link, mmap.mmap):
        link.madvise(mmap.MADV_DONTNEED)
