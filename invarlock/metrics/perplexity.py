"""Perplexity and its paired ratio, from summed losses per window."""

from __future__ import annotations

import math
from collections.abc import Sequence

from invarlock.errors import DataError, MeasurementError
from invarlock.measure.records import WindowLoss
from invarlock.metrics.paired_windows import pair_losses
from invarlock.record import Record


class PerplexityMetric(Record):
    """Perplexity of the subject on a schedule and against its baseline (design page 3).

    preview, final: exp(sum NLL / sum tokens); drift: final / preview; ratio_vs_baseline: exp of the
    token-weighted mean of (subject - baseline) mean NLL over the final windows, 1.0 for a no-op.
    """

    kind: str
    preview: float
    final: float
    drift: float
    ratio_vs_baseline: float
    preview_tokens: int
    final_tokens: int


def perplexity(losses: Sequence[WindowLoss]) -> float:
    """exp(sum NLL / sum tokens) of at least one predicted token. DataError when there is none."""
    tokens = sum(loss.tokens for loss in losses)
    if tokens == 0:
        raise DataError("no predicted tokens in these windows", fix="use longer windows")
    return exp_nats(math.fsum(loss.nll for loss in losses) / tokens)


def paired_ratio(subject: Sequence[WindowLoss], baseline: Sequence[WindowLoss]) -> float:
    """exp(sum_i w_i (s_i - b_i) / sum_i w_i), w_i the tokens of window i, over identical windows."""
    mean = pair_losses(subject, baseline, arms=("subject", "baseline")).mean
    if mean is None:
        raise DataError("no windows to compare", fix="evaluate at least one window in both arms")
    return exp_nats(mean)


def exp_nats(nats: float) -> float:
    """exp of a mean loss or of a difference of two, nats per token. MeasurementError when it is not finite."""
    try:
        return math.exp(nats)
    except OverflowError as error:
        raise MeasurementError(
            f"exp({nats:.6g}), a perplexity or its ratio, is not a finite number",
            fix="look at the subject's weights: it predicts worse than any usable model",
        ) from error


def perplexity_metric(
    kind: str,
    preview: Sequence[WindowLoss],
    final: Sequence[WindowLoss],
    baseline_final: Sequence[WindowLoss],
) -> PerplexityMetric:
    """The primary metric block of a run report."""
    preview_ppl, final_ppl = perplexity(preview), perplexity(final)
    return PerplexityMetric(
        kind=kind,
        preview=preview_ppl,
        final=final_ppl,
        drift=final_ppl / preview_ppl,
        ratio_vs_baseline=paired_ratio(final, baseline_final),
        preview_tokens=sum(loss.tokens for loss in preview),
        final_tokens=sum(loss.tokens for loss in final),
    )
