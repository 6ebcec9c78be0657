"""``validation.preview_final_drift_acceptable``: the edit does on the final windows what it does on the preview."""

from __future__ import annotations

import math
from dataclasses import dataclass

from invarlock.errors import DataError
from invarlock.record import Record

LOWEST, HIGHEST = 0.95, 1.05


@dataclass(frozen=True)
class MetricPair:
    """One model's primary metric (perplexity or accuracy) on the preview and on the final windows."""

    preview: float
    final: float

    @property
    def drift(self) -> float:
        """final / preview."""
        return self.final / self.preview


class DriftFlag(Record):
    """acceptable: lowest <= relative_drift <= highest.

    drift, baseline_drift: final / preview of subject and baseline on the same windows; relative_drift: the one over
    the other, free of how hard the windows are, 1.0 for a no-op.
    """

    acceptable: bool
    drift: float
    baseline_drift: float
    relative_drift: float
    lowest: float = LOWEST
    highest: float = HIGHEST


def judge_drift(subject: MetricPair, baseline: MetricPair) -> DriftFlag:
    """DataError unless every metric is finite and above 0."""
    for arm, pair in (("subject", subject), ("baseline", baseline)):
        for part, value in (("preview", pair.preview), ("final", pair.final)):
            if not (math.isfinite(value) and value > 0):
                raise DataError(
                    f"the {arm}'s {part} metric is {value}: it has no drift",
                    fix="look at the losses of its windows",
                )
    relative = subject.drift / baseline.drift
    return DriftFlag(
        acceptable=LOWEST <= relative <= HIGHEST,
        drift=subject.drift,
        baseline_drift=baseline.drift,
        relative_drift=relative,
    )
