"""Calibration and evaluation splits that share no sample: by a hash of the id and a seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from invarlock.record import Record
from invarlock.tau.errors import TauError
from invarlock.tau.gate_dtype import GateDtype
from invarlock.tau.sample_ids import RULE, keys_of, repeated
from invarlock.tau.samples import CHUNK, Chunk, IdSource, QAbsSamples

METHOD = f"splitmix64(splitmix64(seed) xor id) / 2^64 < calibration_share; {RULE}"
ROW_NUMBERS = (
    "no sample ids were given: a sample in two rows may be on both sides, and the promise holds only if there is none; "
    "give ids (--ids, --id-column), or say that every row is a sample of its own (--rows-are-samples)"
)
_GAMMA = np.uint64(0x9E3779B97F4A7C15)


class SplitRecipe(Record):
    """All it takes to split the same samples again. n_calibration, n_evaluation: rows; n_repeated: rows whose id
    an earlier row has, on its side too."""

    seed: int
    calibration_share: float
    ids: IdSource
    method: str
    n_calibration: int
    n_evaluation: int
    n_repeated: int
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Part:
    """The rows of ``whole`` that ``keep`` marks."""

    whole: QAbsSamples
    keep: NDArray[np.bool_]

    @property
    def where(self) -> Path | None:
        """The file of |Q|."""
        return self.whole.where

    @property
    def dtype(self) -> GateDtype:
        """In which |Q| and tau are compared."""
        return self.whole.dtype

    @property
    def id_source(self) -> IdSource:
        """What tells samples apart."""
        return self.whole.id_source

    def chunks(self) -> Iterator[Chunk]:
        """The part's samples in order."""
        for start, q_abs, is_in_range in self.whole.chunks():
            keep = self.keep[start : start + len(q_abs)]
            yield Chunk(start, q_abs[keep], is_in_range[keep])

    def censored_ids(self) -> NDArray[Any] | None:
        """Of the part's censored rows; None where no ids were given."""
        ids = self.whole.ids
        return None if ids is None else ids[self.keep & ~self.whole.is_in_range]


def split_samples(
    samples: QAbsSamples, *, seed: int = 0, calibration_share: float = 0.5
) -> tuple[Part, Part, SplitRecipe]:
    """Calibration part, evaluation part and how they were made.

    Rows of one id are on one side, whatever the order of rows, and adding samples moves none. ``seed`` is any
    integer in [0, 2^64), ``calibration_share`` the share of ids that calibrate, inside (0, 1) and about.

    Takes 11 bytes of memory a row. Raises TauError on ids that are neither integers nor text, and on another seed or
    share.
    """
    if not 0 <= seed < 1 << 64:
        raise TauError(f"seed {seed} is not in [0, 2^64)", where="seed", fix="such as 0")
    if not 0 < calibration_share < 1:
        raise TauError(
            f"calibration_share {calibration_share} is not inside (0, 1)",
            where="calibration_share",
            fix="such as 0.5",
        )
    below = np.uint64(calibration_share * 2.0**64)
    keys, calibrates = np.empty(len(samples), np.uint64), np.empty(len(samples), np.bool_)
    for start in range(0, len(samples), CHUNK):
        rows = slice(start, min(start + CHUNK, len(samples)))
        keys[rows] = np.arange(rows.start, rows.stop) if samples.ids is None else keys_of(samples.ids[rows])
        calibrates[rows] = _hashes(keys[rows], seed) < below
    n_repeated = 0 if samples.ids is None else repeated(keys)
    recipe = SplitRecipe(
        seed=seed,
        calibration_share=calibration_share,
        ids=samples.id_source,
        method=METHOD,
        n_calibration=int(calibrates.sum()),
        n_evaluation=int((~calibrates).sum()),
        n_repeated=n_repeated,
        warnings=_warnings(samples.id_source, n_repeated),
    )
    return Part(samples, calibrates), Part(samples, ~calibrates), recipe


def _hashes(keys: NDArray[np.uint64], seed: int) -> NDArray[np.uint64]:
    return splitmix64(splitmix64(np.array([seed], np.uint64)) ^ keys)


def splitmix64(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The output of SplitMix64 at each ``state``, modulo 2^64 (Steele, Lea and Flood 2014, OOPSLA, 453-472)."""
    z = state + _GAMMA
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _warnings(source: IdSource, n_repeated: int) -> tuple[str, ...]:
    if source is IdSource.ROW_NUMBER:
        return (ROW_NUMBERS,)
    if n_repeated:
        return (
            f"{n_repeated} rows repeat the id of another; rates and intervals count rows, as if independent",
        )
    return ()
