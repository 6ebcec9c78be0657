"""Strict inference of one sample, in Fractions: what the gates are compared with.

Shares nothing with them: no array library, no rounding of theirs, no IEEE comparison.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import NamedTuple

# significand bits, exponent of the smallest normal
FORMATS = {"float16": (11, -14), "bfloat16": (8, -126), "float32": (24, -126), "float64": (53, -1022)}


class Sample(NamedTuple):
    decoded: float
    bottom: bool
    gap: bool
    fault: bool
    semantic: bool
    provenance: int


def nearest(value: Fraction, dtype: str) -> float:
    """``value`` rounded to nearest even; infinite beyond the largest."""
    bits, smallest = FORMATS[dtype]
    if value == 0:
        return 0.0
    exponent = max(smallest, abs(value.numerator).bit_length() - value.denominator.bit_length())
    if abs(value) < Fraction(2) ** exponent:  # the lengths leave two candidates
        exponent = max(smallest, exponent - 1)
    step = Fraction(2) ** (exponent - bits + 1)
    rounded = round(value / step) * step
    largest = (2 - Fraction(2) ** (1 - bits)) * Fraction(2) ** (1 - smallest)
    return float(rounded) if abs(rounded) <= largest else (math.inf if value > 0 else -math.inf)


def strict_by_hand(p: float, q: float, tau_infer: float, tau_train: float | None, dtype: str) -> Sample:
    tau = Fraction(nearest(Fraction(tau_infer), dtype))
    top = tau if tau_train is None else Fraction(nearest(Fraction(tau_train), dtype))
    fault = not (math.isfinite(p) and math.isfinite(q))
    quotient = nearest(Fraction(p) / Fraction(q), dtype) if not fault and q != 0 else math.nan
    fault = fault or math.isinf(quotient)
    semantic = q == 0 or (math.isfinite(q) and abs(Fraction(q)) < tau)
    bottom = fault or semantic
    gap = not bottom and abs(Fraction(q)) < top
    return Sample(math.nan if bottom else quotient, bottom, gap, fault, semantic, fault + 2 * semantic)
