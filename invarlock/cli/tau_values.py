"""Taus as they are typed: a list, or a grid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from invarlock.tau.errors import TauError
from invarlock.tau.sweep import checked_taus


def chosen_taus(lists: Sequence[str] | None, grid: str | None) -> tuple[float, ...]:
    """Those of ``--taus`` or of ``--grid``; none for neither. TauError for both, and for what is no tau."""
    if lists and grid:
        raise TauError(
            "--taus and --grid are two ways to say the same", where="command line", fix="give one of them"
        )
    if grid:
        return _spaced(grid)
    if not lists:
        return ()
    words = [word for text in lists for word in text.replace(",", " ").split()]
    try:
        values = [float(word) for word in words]
    except ValueError as error:
        raise TauError(
            f"a tau is no number: {error}", where="--taus", fix="such as 1e-6,1e-5,1e-4"
        ) from error
    return tuple(checked_taus(values, where="--taus").tolist())


def _spaced(grid: str) -> tuple[float, ...]:
    """
    >>> _spaced("1e-6:1e-4:3")
    (1e-06, 1e-05, 0.0001)
    """
    try:
        low, high, count = (
            kind(part) for kind, part in zip((float, float, int), grid.split(":"), strict=True)
        )
    except ValueError as error:
        raise TauError(
            f"{grid!r} is no grid", where="--grid", fix="LOW:HIGH:COUNT, as 1e-6:1e-2:41"
        ) from error
    checked_taus([low, high], where="--grid")
    if not low < high or not 2 <= count <= 10_000:
        raise TauError(
            f"{grid!r} does not rise in 2 to 10000 taus",
            where="--grid",
            fix="LOW:HIGH:COUNT, as 1e-6:1e-2:41",
        )
    return tuple(np.geomspace(low, high, int(count)).tolist())
