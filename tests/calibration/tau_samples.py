"""Samples of a head that tells in range from censored well, but not wholly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def drawn(n: int = 3000, seed: int = 0) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """|Q| in float32 and its labels: the median |Q| is 1 in range and 0.0025 where censored."""
    generator = np.random.default_rng(seed)
    is_in_range = generator.random(n) < 0.5
    centre = np.where(is_in_range, 0.0, -6.0)
    return np.exp(generator.normal(centre, 1.0)).astype(np.float32), is_in_range


def saved(folder: Path, q_abs: NDArray[Any], is_in_range: NDArray[Any]) -> tuple[Path, Path]:
    """The files of both."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "q.npy", q_abs)
    np.save(folder / "in_range.npy", is_in_range)
    return folder / "q.npy", folder / "in_range.npy"
