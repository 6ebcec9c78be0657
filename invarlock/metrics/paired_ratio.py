"""The perplexity ratio to the baseline, with its interval."""

from __future__ import annotations

from invarlock.metrics.paired_windows import PairedLosses
from invarlock.metrics.perplexity import exp_nats
from invarlock.record import Record
from invarlock.stats.bca import BcaInterval, bca_interval


class PairedRatio(Record):
    """ratio_vs_baseline: exp(interval.mean); display_ci: exp of its ends; interval: of delta log NLL, nats per token.

    tokens: predicted tokens of these windows.
    """

    ratio_vs_baseline: float
    display_ci: tuple[float, float]
    interval: BcaInterval
    tokens: int


def ratio_with_interval(
    pairs: PairedLosses, *, replicates: int, seed: int, alpha: float = 0.05
) -> PairedRatio:
    """From the final windows of subject and baseline (subject first).

    Raises as ``bca_interval`` does, and MeasurementError for a ratio that is not finite.
    """
    interval = bca_interval(pairs.deltas, pairs.tokens, replicates=replicates, seed=seed, alpha=alpha)
    return PairedRatio(
        ratio_vs_baseline=exp_nats(interval.mean),
        display_ci=(exp_nats(interval.lower), exp_nats(interval.upper)),
        interval=interval,
        tokens=sum(pairs.tokens),
    )
