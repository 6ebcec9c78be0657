"""Top-1 accuracy and its change against the baseline, from hits per window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from invarlock.errors import DataError
from invarlock.measure.records import WindowHits
from invarlock.metrics.paired_windows import require_same_windows
from invarlock.record import Record
from invarlock.stats.bca import BcaInterval, bca_interval

_POINTS = 100.0  # percentage points in a share of 1


class AccuracyMetric(Record):
    """Shares of predicted tokens that were hit, and their change on the final windows.

    delta_pp, display_ci: subject less baseline, percentage points; interval: of the same as a share, by window and
    weighted by tokens; examples: final windows, the unit that is drawn; tokens: predicted in them.
    """

    kind: Literal["accuracy"] = "accuracy"
    preview: float
    final: float
    baseline_final: float
    delta_pp: float
    display_ci: tuple[float, float]
    interval: BcaInterval
    examples: int
    tokens: int


def accuracy(hits: Sequence[WindowHits]) -> float:
    """Hits by predicted tokens, in [0, 1]. DataError without windows."""
    if not hits:
        raise DataError("no windows to score", fix="evaluate at least one window")
    return sum(window.hits for window in hits) / sum(window.tokens for window in hits)


def accuracy_metric(
    preview: Sequence[WindowHits],
    final: Sequence[WindowHits],
    baseline_final: Sequence[WindowHits],
    *,
    replicates: int,
    seed: int,
    alpha: float = 0.05,
) -> AccuracyMetric:
    """The primary metric of a subject that is scored by accuracy. DataError when the arms' windows differ."""
    require_same_windows(final, baseline_final, arms=("subject", "baseline"))
    theirs, ours = accuracy(baseline_final), accuracy(final)
    gained = sum(s.hits - b.hits for s, b in zip(final, baseline_final, strict=True))
    deltas = [(s.hits - b.hits) / s.tokens for s, b in zip(final, baseline_final, strict=True)]
    tokens = [window.tokens for window in final]
    interval = bca_interval(deltas, tokens, replicates=replicates, seed=seed, alpha=alpha)
    return AccuracyMetric(
        preview=accuracy(preview),
        final=ours,
        baseline_final=theirs,
        delta_pp=_POINTS * gained / sum(tokens),  # whole numbers: a change of exactly the limit reads so
        display_ci=(_POINTS * interval.lower, _POINTS * interval.upper),
        interval=interval,
        examples=len(final),
        tokens=sum(tokens),
    )
