"""Two arms on the same windows, and the losses of the one less the other's."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Protocol

from invarlock.errors import DataError, MeasurementError
from invarlock.measure.records import WindowLoss
from invarlock.stats.paired_sample import weighted_mean

Arms = tuple[str, str]

_NAMED = 6  # window ids that a message lists


class OnWindow(Protocol):
    """Something measured on one window; tokens: predicted tokens that it rests on."""

    @property
    def window_id(self) -> str: ...

    @property
    def tokens(self) -> int: ...


@dataclass(frozen=True)
class PairedLosses:
    """Per window: mean NLL of the first arm less the second's (nats per token), and the predicted tokens.

    mean: token-weighted, None without windows.
    """

    deltas: tuple[float, ...]
    tokens: tuple[int, ...]
    mean: float | None


def pair_losses(first: Sequence[WindowLoss], second: Sequence[WindowLoss], *, arms: Arms) -> PairedLosses:
    """Losses of ``first`` less those of ``second``, window by window; ``arms`` names the two in messages.

    Raises DataError when their windows differ or one is there twice, MeasurementError for a loss that is not finite or
    is over no token: a window is never left out of one arm.
    """
    for arm, losses in zip(arms, (first, second), strict=True):
        _require_usable(losses, arm)
    require_same_windows(first, second, arms=arms)
    deltas = tuple(
        ours.nll / ours.tokens - theirs.nll / theirs.tokens
        for ours, theirs in zip(first, second, strict=True)
    )
    tokens = tuple(loss.tokens for loss in first)
    return PairedLosses(deltas=deltas, tokens=tokens, mean=weighted_mean(deltas, tokens) if tokens else None)


def require_same_windows(first: Sequence[OnWindow], second: Sequence[OnWindow], *, arms: Arms) -> None:
    """DataError that names the windows unless both arms have the same ids and token counts in the same order.

    No window may be there twice: its repeats show nothing new, and would pass for evidence.
    """
    ours, theirs = ([(each.window_id, each.tokens) for each in arm] for arm in (first, second))
    places = [pair for pair in zip_longest(ours, theirs) if pair[0] != pair[1]]
    if places:
        raise DataError(
            f"{arms[0]} and {arms[1]} were not evaluated on the same windows",
            where=name_windows([window[0] for pair in places for window in pair if window is not None]),
            fix="evaluate both on one schedule, in its order",
        )
    repeated = [name for name, times in Counter(name for name, _ in ours).items() if times > 1]
    if repeated:
        raise DataError(
            f"{arms[0]} and {arms[1]} were evaluated on a window more than once",
            where=name_windows(repeated),
            fix="name each window of the schedule once",
        )


def _require_usable(losses: Sequence[WindowLoss], arm: str) -> None:
    broken = [loss.window_id for loss in losses if not math.isfinite(loss.nll) or loss.tokens < 1]
    if broken:
        raise MeasurementError(
            f"a loss of {arm} is not finite, or is over no token",
            where=name_windows(broken),
            fix="measure these windows anew in a wider dtype, or check the weights",
        )


def name_windows(ids: Sequence[str]) -> str:
    """The first few distinct ids, and how many more there are: for messages."""
    distinct = list(dict.fromkeys(ids))
    more = f" and {len(distinct) - _NAMED} more" if len(distinct) > _NAMED else ""
    return f"windows {', '.join(distinct[:_NAMED])}{more}"
