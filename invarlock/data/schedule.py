"""Schedules: which windows a run looks at, drawn from a pool by a seed."""

from __future__ import annotations

from typing import Self

import numpy as np
from pydantic import model_validator

from invarlock.data.windows import WindowPool
from invarlock.digests import digest_of
from invarlock.errors import DataError
from invarlock.record import Record


class Schedule(Record):
    """Window ids of the preview, final and calibration parts, which share no window (design page 3)."""

    preview: tuple[str, ...]
    final: tuple[str, ...]
    calibration: tuple[str, ...]
    seed: int
    provider: str
    dataset_hash: str

    @model_validator(mode="after")
    def _no_window_twice(self) -> Self:
        ids = self.preview + self.final + self.calibration
        if len(set(ids)) != len(ids):
            raise ValueError("a window occurs twice in the schedule")
        return self

    @property
    def digest(self) -> str:
        """Hex SHA-256 of the schedule's canonical JSON."""
        return digest_of(self)


def draw_schedule(pool: WindowPool, *, preview: int, final: int, calibration: int = 0, seed: int) -> Schedule:
    """Draw windows without replacement with numpy's ``default_rng(seed)``.

    One permutation of the pool is read from both ends: preview then final from the front, calibration from
    the back. So calibration windows at a smaller count are a prefix of those at a larger one, whatever the
    other counts, and measurements of the one serve the other.

    Raises
    ------
    DataError: a negative count or seed; fewer windows in the pool than asked for.
    """
    counts = {"preview": preview, "final": final, "calibration": calibration}
    for name, value in {**counts, "seed": seed}.items():
        if value < 0:
            raise DataError(f"{name} is {value}", where="schedule", fix=f"give a {name} of 0 or more")
    wanted, available = sum(counts.values()), len(pool.windows)
    if wanted > available:
        parts = " + ".join(f"{value} {name}" for name, value in counts.items() if value)
        raise DataError(
            f"too little data: {available} windows of {pool.seq_len} tokens exist ({pool.texts} texts, "
            f"{pool.duplicates} duplicate windows dropped), {wanted} are asked for ({parts})",
            where=f"dataset: provider {pool.provider}",
            fix="give more text, lower dataset.seq_len, or ask for fewer windows "
            "(--profile dev takes the config's eval counts)",
        )
    order = np.random.default_rng(seed).permutation(available)
    ids = [pool.windows[index].id for index in order]
    return Schedule(
        preview=tuple(ids[:preview]),
        final=tuple(ids[preview : preview + final]),
        calibration=tuple(ids[::-1][:calibration]),
        seed=seed,
        provider=pool.provider,
        dataset_hash=pool.dataset_hash,
    )
