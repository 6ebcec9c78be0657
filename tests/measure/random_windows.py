"""Windows of random tokens of the tiny models' vocabulary."""

from __future__ import annotations

import numpy as np

from invarlock.data.windows import Window, make_window
from tests.measure.tiny_models import VOCABULARY


def random_windows(count: int, length: int = 24, labels: int = 0, seed: int = 0) -> list[Window]:
    """labels: 0 for none, else the length of the first target; the next are one and two longer."""
    random = np.random.default_rng(seed)
    return [
        make_window(
            random.integers(5, VOCABULARY, length),
            random.integers(5, VOCABULARY, labels + i % 3) if labels else None,
        )
        for i in range(count)
    ]


def windows_for(name: str, count: int) -> list[Window]:
    """Pairs for the T5, plain windows for all others."""
    return random_windows(count, labels=6 if name == "t5" else 0)
