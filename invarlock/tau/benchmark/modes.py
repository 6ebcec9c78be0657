"""How large a benchmark is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Mode(StrEnum):
    """smoke shows that everything works; full is for numbers to quote."""

    SMOKE = "smoke"
    FULL = "full"


@dataclass(frozen=True)
class Size:
    """training: samples to learn from; held_out: samples to calibrate and evaluate on; steps, width: of networks."""

    training: int
    held_out: int
    steps: int
    width: int


SIZES: Mapping[Mode, Size] = MappingProxyType(
    {
        Mode.SMOKE: Size(training=4_000, held_out=6_000, steps=600, width=32),
        Mode.FULL: Size(training=50_000, held_out=200_000, steps=20_000, width=64),
    }
)
