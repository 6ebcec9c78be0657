"""The 64-bit keys of sample ids, each from its id alone: the same sample has the same key in every file."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from invarlock.tau.errors import TauError
from invarlock.tau.samples import CHUNK, Samples

RULE = (
    "an integer in [-2^63, 2^64) is its own id, modulo 2^64, and so is its plain decimal text (12, -3; not 012, +3 or "
    "3.0); the id of any other integer or text is the head of the sha256 of its UTF-8"
)
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,19}")


def keys_of(ids: NDArray[Any]) -> NDArray[np.uint64]:
    """A key for each id, by :data:`RULE`. TauError unless they are integers or text."""
    if ids.dtype.kind in "iu":
        return ids.astype(np.uint64)
    if ids.dtype.kind not in "UO":
        raise _no_ids(f"ids are {ids.dtype}")
    return np.fromiter((_key(name) for name in ids.tolist()), np.uint64, len(ids))


def repeated(keys: NDArray[np.uint64]) -> int:
    """How many of ``keys``, which are sorted in place, another one before them equals."""
    keys.sort()
    return int(np.count_nonzero(keys[1:] == keys[:-1]))


def ensure_one_row_an_id(samples: Samples) -> None:
    """TauError where censored rows share an id.

    The guarantee counts independent draws, and rows of one sample are none: of 300 rows of 30 samples it would be
    broken in three draws of four.
    """
    ids = samples.censored_ids()
    if ids is None:
        return
    more = repeated(np.concatenate([np.empty(0, np.uint64), *(keys_of(part) for part in in_chunks(ids))]))
    if more:
        raise TauError(
            f"{more} of {len(ids)} censored rows repeat the id of another: they are no independent draws",
            where=samples.where,
            fix="keep one row of each censored sample; rows that are independent draws need ids of their own",
        )


def in_chunks(ids: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """``ids``, some at a time."""
    return (ids[start : start + CHUNK] for start in range(0, len(ids), CHUNK))


def _key(name: object) -> int:
    if isinstance(name, bool) or not isinstance(name, Integral | str):
        raise _no_ids(f"an id is {name!r}, of type {type(name).__name__}")
    text = str(name)
    if _INTEGER.fullmatch(text) and -(1 << 63) <= int(text) < 1 << 64:
        return int(text) % (1 << 64)
    try:
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    except UnicodeEncodeError as error:
        raise _no_ids(f"an id is {text!r}, which is no text in UTF-8") from error


def _no_ids(what: str) -> TauError:
    return TauError(f"{what}, neither integers nor text", where="ids", fix="give one or the other")
