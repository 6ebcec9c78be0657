"""Places spread evenly over a schedule."""

from __future__ import annotations

from invarlock.errors import DataError


def evenly_spaced(available: int, wanted: int) -> tuple[int, ...]:
    """``wanted`` indices out of 0 .. available - 1, ascending: round(i (available - 1) / (wanted - 1)).

    The first and the last are always among them; all of them where fewer than ``wanted`` are available; 0 alone where
    one is wanted. A tie goes to the even neighbour, as Python rounds; for 8 wanted, an odd divisor, there is none.

    Raises
    ------
    DataError: nothing available, or nothing wanted.

    Example
    -------
    >>> evenly_spaced(240, 8)
    (0, 34, 68, 102, 137, 171, 205, 239)
    """
    if available < 1 or wanted < 1:
        raise DataError(f"{wanted} windows of {available}", fix="give at least one, of at least one")
    count = min(wanted, available)
    return tuple(round(i * (available - 1) / (count - 1)) if i else 0 for i in range(count))
