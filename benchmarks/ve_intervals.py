"""The intervals of a whole ve-sweep (3 tiers x 4 window counts x 10 seeds), against scipy's BCa of the same.

python -m benchmarks.ve_intervals
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import scipy
from scipy import stats

from invarlock.stats.paired_interval import paired_interval

TIERS, COUNTS, SEEDS = 3, (6, 8, 12, 16), 10
ALLOWED_S = 2.0
RESAMPLES = 1200  # seed 001's profile
FULL_WINDOW, MASKED_SHARE = 128, 0.15

Window = tuple[list[float], list[int]]


def cells() -> list[Window]:
    """Differences and token counts of every cell."""
    rng = np.random.default_rng(0)
    return [
        (rng.normal(-1e-4, 3e-4, n).tolist(), rng.binomial(FULL_WINDOW, MASKED_SHARE, n).tolist())
        for _ in range(TIERS * SEEDS)
        for n in COUNTS
    ]


def bca(deltas: list[float], tokens: list[int]) -> None:
    """What the reference does."""
    stats.bootstrap(
        (np.array(deltas), np.array(tokens)),
        lambda d, t, axis=-1: (d * t).sum(axis) / t.sum(axis),
        paired=True,
        n_resamples=RESAMPLES,
        rng=0,
    )


def weighted_t(deltas: list[float], tokens: list[int]) -> None:
    """What the gate does."""
    paired_interval(deltas, tokens, one_sided=False)


def seconds(interval: Callable[[list[float], list[int]], None], sweep: list[Window]) -> float:
    """Of all cells."""
    start = time.perf_counter()
    for deltas, tokens in sweep:
        interval(deltas, tokens)
    return time.perf_counter() - start


def main() -> None:
    """Print one row; exit 1 when the intervals take longer than allowed."""
    sweep = cells()
    weighted_t(*sweep[0])
    ours, theirs = seconds(weighted_t, sweep), seconds(bca, sweep)
    print(f"scipy {scipy.__version__}, {RESAMPLES} resamples\n")
    print("| intervals | weighted t s | allowed s | BCa s | times faster |")
    print("|---:|---:|---:|---:|---:|")
    print(f"| {len(sweep)} | {ours:.4f} | {ALLOWED_S:g} | {theirs:.2f} | {theirs / ours:.0f} |")
    if ours > ALLOWED_S:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
