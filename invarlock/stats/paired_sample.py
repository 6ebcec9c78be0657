"""A sample of paired differences with their token counts: what makes it usable, and its weighted mean."""

from __future__ import annotations

import math
from collections.abc import Sequence

from invarlock.errors import DataError


def require_sample(deltas: Sequence[float], tokens: Sequence[int]) -> None:
    """DataError for fewer than 2 windows, lengths that differ, a delta that is not finite, or tokens below 1."""
    if len(deltas) != len(tokens):
        raise DataError(
            f"{len(deltas)} differences, but token counts of {len(tokens)} windows",
            fix="give one token count a window",
        )
    if len(deltas) < 2:
        raise DataError(f"{len(deltas)} windows have no interval", fix="give at least 2, better 6 or more")
    undefined = [position for position, delta in enumerate(deltas) if not math.isfinite(delta)]
    if undefined:
        raise DataError(
            f"the difference is not finite at positions {undefined} of {len(deltas)}",
            fix="look at those windows' losses in both arms",
        )
    empty = [position for position, count in enumerate(tokens) if count < 1]
    if empty:
        raise DataError(
            f"no predicted tokens at positions {empty} of {len(tokens)}",
            fix="leave out windows without a predicted token",
        )


def weighted_mean(values: Sequence[float], tokens: Sequence[int]) -> float:
    """sum w v / sum w, taken from the first value: equal values have exactly their value as mean, and no spread."""
    first, total = values[0], sum(tokens)
    return first + math.fsum(
        count / total * (value - first) for value, count in zip(values, tokens, strict=True)
    )
