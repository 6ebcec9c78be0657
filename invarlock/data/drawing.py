"""The schedules of all seeds of a sweep over one pool of windows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from invarlock.data.schedule import Schedule, draw_schedule
from invarlock.data.windows import WindowPool
from invarlock.record import Record


class DrawnWindows(Record):
    """Where the windows came from and which of them each seed looks at."""

    dataset_hash: str
    tokenizer_hash: str
    available: int
    duplicates: int
    schedules: Mapping[int, Schedule]


def draw_schedules(
    pool: WindowPool, *, seeds: Sequence[int], preview: int, final: int, calibration: int = 0
) -> DrawnWindows:
    """One schedule a seed; counts are windows of each part. DataError when the pool has too few windows."""
    return DrawnWindows(
        dataset_hash=pool.dataset_hash,
        tokenizer_hash=pool.tokenizer_hash,
        available=len(pool.windows),
        duplicates=pool.duplicates,
        schedules={
            seed: draw_schedule(pool, preview=preview, final=final, calibration=calibration, seed=seed)
            for seed in seeds
        },
    )
