"""How many forward passes this process ran, so that work can be reported and compared."""

from __future__ import annotations

from fractions import Fraction
from threading import Lock

WHOLE_PASS = Fraction(1)


class PassMeter:
    """Forward-pass equivalents: 1 is one window through the whole model, (L - k) / L from block k of L on.

    Exact whatever the order in which threads add to it. Read it before and after some work, and subtract.
    """

    def __init__(self) -> None:
        self._total = Fraction(0)
        self._adding = Lock()

    def add(self, windows: int, share: Fraction = WHOLE_PASS) -> None:
        """Count ``windows`` that ran through that share of the blocks."""
        with self._adding:
            self._total += windows * share

    @property
    def total(self) -> float:
        """Equivalents since the process started."""
        with self._adding:
            return float(self._total)


PASSES = PassMeter()
