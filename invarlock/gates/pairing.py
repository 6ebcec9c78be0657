"""Subject and baseline on the same windows, no window used twice: without that no comparison means anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from invarlock.errors import DataError
from invarlock.metrics.paired_windows import OnWindow, name_windows
from invarlock.record import Record


@dataclass(frozen=True)
class ArmWindows:
    """What one model was evaluated on, in order."""

    preview: Sequence[OnWindow]
    final: Sequence[OnWindow]


class PairingStats(Record):
    """match_fraction: places of the baseline's schedule that hold the same window, token count included, in both.

    overlap_fraction: share of the subject's windows that it met before; windows: of the subject's preview and final.
    """

    match_fraction: float
    overlap_fraction: float
    preview_windows: int
    final_windows: int


def require_pairing(subject: ArmWindows, baseline: ArmWindows) -> PairingStats:
    """Match fraction 1.0 and overlap 0.0, or DataError with the fraction and the windows (design page 3)."""
    if not subject.preview or not subject.final:
        raise DataError("no preview or no final windows to pair", fix="evaluate both schedules")
    places = [
        *zip_longest(subject.preview, baseline.preview),
        *zip_longest(subject.final, baseline.final),
    ]
    unmatched = [pair for pair in places if _key(pair[0]) != _key(pair[1])]
    match = 1.0 - len(unmatched) / len(places)
    if unmatched:
        raise DataError(
            f"only a fraction {match:.6g} of the windows pairs subject and baseline; it must be 1.0",
            where=name_windows([window.window_id for pair in unmatched for window in pair if window]),
            fix="evaluate the subject on the baseline's schedule, in its order",
        )
    ids = [window.window_id for window in (*subject.preview, *subject.final)]
    repeated = [window for window, times in Counter(ids).items() if times > 1]
    overlap = 1.0 - len(set(ids)) / len(ids)
    if repeated:
        raise DataError(
            f"a fraction {overlap:.6g} of the windows repeats another; it must be 0.0",
            where=name_windows(repeated),
            fix="draw preview and final without a window in common",
        )
    return PairingStats(
        match_fraction=match,
        overlap_fraction=overlap,
        preview_windows=len(subject.preview),
        final_windows=len(subject.final),
    )


def _key(window: OnWindow | None) -> tuple[str, int] | None:
    return None if window is None else (window.window_id, window.tokens)
