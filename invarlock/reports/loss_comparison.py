"""Losses of a subject beside its baseline's: the primary metric, and every gate that is made from losses. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from invarlock.errors import MeasurementError
from invarlock.evaluation.evaluation_plan import MetricChoice
from invarlock.gates.pairing import ArmWindows, require_pairing
from invarlock.gates.preview_drift import DriftFlag, MetricPair, judge_drift
from invarlock.gates.primary_metric import AccuracyFlag, RatioFlag, judge_accuracy, judge_ratio
from invarlock.gates.spike import SpikeCheck, look_for_spike
from invarlock.gates.support import GateStatus
from invarlock.gates.tail import TailFlag, judge_tail
from invarlock.metrics.accuracy import accuracy, accuracy_metric
from invarlock.metrics.paired_ratio import ratio_with_interval
from invarlock.metrics.paired_windows import PairedLosses, pair_losses
from invarlock.reports.evaluation_report import AccuracyBlock, PerplexityBlock, WindowStats
from invarlock.reports.evaluation_run import EvaluationRun, HitsBlock
from invarlock.reports.run_report import WindowsBlock
from invarlock.stats.paired_sample import weighted_mean

_ARMS = ("subject", "baseline")

Judged = tuple[PerplexityBlock, RatioFlag] | tuple[AccuracyBlock, AccuracyFlag] | tuple[None, None]


@dataclass(frozen=True)
class LossComparison:
    """Each as in the evaluation report; None where it has no numbers to be made from."""

    windows: WindowStats | None = None
    primary_metric: PerplexityBlock | AccuracyBlock | None = None
    gate: RatioFlag | AccuracyFlag | None = None
    tail: TailFlag | None = None
    drift: DriftFlag | None = None
    spike: SpikeCheck | None = None


def compare_losses(baseline: EvaluationRun, subject: EvaluationRun) -> LossComparison:
    """Judge by the subject's policy. Nothing is judged where a model has no losses.

    Raises DataError when the windows do not pair, or are too few for an interval.
    """
    if baseline.windows is None or subject.windows is None:
        return LossComparison()
    stats = _pair(baseline, subject, subject.windows, baseline.windows)
    pairs = pair_losses(subject.windows.final, baseline.windows.final, arms=_ARMS)
    metric, gate = _judge_metric(baseline, subject, pairs)
    return LossComparison(
        windows=stats,
        primary_metric=metric,
        gate=gate,
        tail=judge_tail(pairs.deltas, subject.resolved_policy.metrics.pm_tail),
        drift=_judge_drift(metric, gate.status) if metric and gate else None,
        spike=look_for_spike(weighted_mean(pairs.deltas, pairs.tokens)),
    )


def _pair(
    baseline: EvaluationRun, subject: EvaluationRun, ours: WindowsBlock, theirs: WindowsBlock
) -> WindowStats:
    paired = require_pairing(_arm(ours), _arm(theirs))
    if subject.hits is not None and baseline.hits is not None:
        require_pairing(_arm(subject.hits), _arm(baseline.hits))
    floor = subject.resolved_policy.metrics.sampling.min_windows
    return WindowStats(
        **dict(paired),
        available=subject.terms.windows_available,
        floor=floor,
        underpowered=min(paired.preview_windows, paired.final_windows) < floor,
    )


def _arm(block: WindowsBlock | HitsBlock) -> ArmWindows:
    return ArmWindows(preview=block.preview, final=block.final)


def _judge_metric(baseline: EvaluationRun, subject: EvaluationRun, pairs: PairedLosses) -> Judged:
    if subject.terms.metric is MetricChoice.ACCURACY:
        return _judge_accuracy(baseline, subject)
    try:
        return _judge_perplexity(baseline, subject, pairs)
    except MeasurementError:  # a ratio or perplexity beyond a float: the spike, in logarithms, says so
        return None, None


def _judge_perplexity(baseline: EvaluationRun, subject: EvaluationRun, pairs: PairedLosses) -> Judged:
    ours, theirs = subject.metrics, baseline.metrics
    if ours is None or theirs is None:
        return None, None
    ratio = ratio_with_interval(pairs, replicates=subject.terms.replicates, seed=subject.meta.seed)
    block = PerplexityBlock.model_validate(
        {
            **dict(ratio),
            "kind": ours.kind,
            "preview": ours.preview,
            "final": ours.final,
            "baseline_preview": theirs.preview,
            "baseline_final": theirs.final,
        }
    )
    return block, judge_ratio(
        ratio,
        tokens=ours.preview_tokens + ours.final_tokens,
        available=subject.terms.predictable_tokens,
        policy=subject.resolved_policy.metrics.pm_ratio,
    )


def _judge_accuracy(baseline: EvaluationRun, subject: EvaluationRun) -> Judged:
    ours, theirs = subject.hits, baseline.hits
    if ours is None or theirs is None:
        return None, None
    metric = accuracy_metric(
        ours.preview,
        ours.final,
        theirs.final,
        replicates=subject.terms.replicates,
        seed=subject.meta.seed,
    )
    block = AccuracyBlock(
        **dict(metric),
        baseline_preview=accuracy(theirs.preview),
        ratio_vs_baseline=metric.final / metric.baseline_final if metric.baseline_final else None,
    )
    return block, judge_accuracy(
        metric,
        available=subject.terms.windows_available,
        policy=subject.resolved_policy.metrics.accuracy,
    )


def _judge_drift(metric: PerplexityBlock | AccuracyBlock, status: GateStatus) -> DriftFlag:
    subject = MetricPair(preview=metric.preview, final=metric.final)
    baseline = MetricPair(preview=metric.baseline_preview, final=metric.baseline_final)
    return judge_drift(subject, baseline, status)
