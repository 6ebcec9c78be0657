"""Perplexity and its paired ratio, from summed losses per window."""

from __future__ import annotations

import math
from collections.abc import Sequence

from invarlock.errors import DataError
from invarlock.measure.records import WindowLoss
from invarlock.metrics.paired_windows import require_same_windows
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
    return math.exp(math.fsum(loss.nll for loss in losses) / tokens)


def paired_ratio(subject: Sequence[WindowLoss], baseline: Sequence[WindowLoss]) -> float:
    """exp(sum_i w_i (s_i - b_i) / sum_i w_i), w_i the tokens of window i, over identical windows."""
    require_same_windows(subject, baseline, arms=("subject", "baseline"))
    tokens = sum(loss.tokens for loss in subject)
    return math.exp(math.fsum(s.nll - b.nll for s, b in zip(subject, baseline, strict=True)) / tokens)


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
