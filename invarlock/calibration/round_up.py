"""Thresholds as multiples of 1e-6, rounded up: away from warning.

A threshold is compared as the float that its decimal form parses to, so the arithmetic is decimal: 2e-5 is 20
millionths and nothing beside it.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal

MICRO = -6  # thresholds have 6 decimals


def round_up_to_micro(value: float, margin: float = 0.0) -> float:
    """The smallest multiple of 1e-6 that is not below ``value`` times 1 + ``margin``.

    >>> round_up_to_micro(2e-05), round_up_to_micro(0.0123451, margin=0.1)
    (2e-05, 0.01358)
    """
    # repr is the shortest decimal that parses to the float: a multiple of 1e-6 that was parsed is met as itself.
    grown = Decimal(repr(value)) * (1 + Decimal(repr(margin)))
    return float(grown.scaleb(-MICRO).to_integral_value(ROUND_CEILING).scaleb(MICRO))
