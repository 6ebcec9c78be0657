"""``validation.preview_final_drift_acceptable``: the edit does on the final windows what it does on the preview."""

from __future__ import annotations

import math
from dataclasses import dataclass

from invarlock.errors import DataError
from invarlock.gates.support import GateStatus
from invarlock.record import Record

LOWEST, HIGHEST = 0.95, 1.05


@dataclass(frozen=True)
class MetricPair:
    """One model's primary metric (perplexity or accuracy) on the preview and on the final windows."""

    preview: float
    final: float

    @property
    def drift(self) -> float | None:
        """final / preview; None from an accuracy of 0."""
        return self.final / self.preview if self.preview else None


class DriftFlag(Record):
    """acceptable: the flag, false only where a drift that is not within its band is enforced.

    status: the primary metric's, since both are made from the same tokens; within: lowest <= relative_drift <= highest;
    drift, baseline_drift: final / preview of subject and baseline on the same windows; relative_drift: the one over
    the other, free of how hard the windows are, 1.0 where both models score alike. Each is None where an accuracy of 0
    leaves it undefined, which is not within.
    """

    acceptable: bool
    status: GateStatus
    within: bool
    drift: float | None
    baseline_drift: float | None
    relative_drift: float | None
    lowest: float = LOWEST
    highest: float = HIGHEST


def judge_drift(subject: MetricPair, baseline: MetricPair, status: GateStatus) -> DriftFlag:
    """status: of the gate on the primary metric. DataError for a metric that is negative or not finite."""
    for arm, pair in (("subject", subject), ("baseline", baseline)):
        for part, value in (("preview", pair.preview), ("final", pair.final)):
            if not (math.isfinite(value) and value >= 0):
                raise DataError(
                    f"the {arm}'s {part} metric is {value}: it has no drift",
                    fix="look at the losses of its windows",
                )
    relative = _relative(subject, baseline)
    within = relative is not None and LOWEST <= relative <= HIGHEST
    return DriftFlag(
        acceptable=within or status is not GateStatus.ENFORCED,
        status=status,
        within=within,
        drift=subject.drift,
        baseline_drift=baseline.drift,
        relative_drift=relative,
    )


def _relative(subject: MetricPair, baseline: MetricPair) -> float | None:
    if subject == baseline:
        return 1.0
    ours, theirs = subject.drift, baseline.drift
    return None if ours is None or not theirs else ours / theirs
