"""Candidates over seeds: mean and sample standard deviation of every metric, and the cost of bottom."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from invarlock.record import Record
from invarlock.tau.operating_points_seeds import CandidateMetrics, SeedResult

BOTTOM_COST = "bottom_cost"
COVERAGE = "coverage"
SPLIT_COST = "fault_rate + 0.5 * semantic_bottom_rate"
MERGED_COST = "bottom_rate"


class Summary(Record):
    """Over seeds. mean: null when any seed lacks the metric; std: sample form (n - 1), null for one seed; n: seeds."""

    mean: float | None
    std: float | None
    n: int


class CandidateSummary(Record):
    """metrics: those of :class:`CandidateMetrics`, ``bottom_cost`` (C), and ``coverage``: 1 - fn_in."""

    name: str
    metrics: Mapping[str, Summary]

    def mean(self, metric: str) -> float | None:
        """Mean over seeds; None when missing."""
        return self.metrics[metric].mean

    @property
    def warning(self) -> str | None:
        """Of a gate that is open, or shut, to all: it may be the best by some key, and is of no use."""
        if self.mean("fp_cens") == 1:
            return "fp_cens is 1: it accepts every censored sample"
        if self.mean("bottom_rate") == 1:
            return "bottom_rate is 1: it answers nothing"
        return None


def has_split_provenance(results: Sequence[SeedResult]) -> bool:
    """Whether every candidate of every seed tells faults from semantic bottoms: costs must be of one kind."""
    return all(
        candidate.metrics.fault_rate is not None and candidate.metrics.semantic_bottom_rate is not None
        for result in results
        for candidate in result.candidates
    )


def bottom_cost(metrics: CandidateMetrics, *, split: bool) -> float | None:
    """C of design page 7: a fault costs 1 and a semantic bottom 0.5 with split provenance, else any bottom 1."""
    if not split:
        return metrics.bottom_rate
    if metrics.fault_rate is None or metrics.semantic_bottom_rate is None:
        return None
    return metrics.fault_rate + 0.5 * metrics.semantic_bottom_rate


def values_of(metrics: CandidateMetrics, *, split: bool) -> dict[str, float | None]:
    """The metrics of one seed by name, with those that follow from them."""
    coverage = None if metrics.fn_in is None else 1 - metrics.fn_in
    derived = {BOTTOM_COST: bottom_cost(metrics, split=split), COVERAGE: coverage}
    return {name: getattr(metrics, name) for name in CandidateMetrics.model_fields} | derived


def summarise(results: Sequence[SeedResult]) -> tuple[CandidateSummary, ...]:
    """Every candidate over all seeds, by name. All results have the same candidates."""
    split = has_split_provenance(results)
    summaries = []
    for name in sorted(candidate.name for candidate in results[0].candidates):
        rows = [values_of(result.of(name).metrics, split=split) for result in results]
        metrics = {metric: _summary([row[metric] for row in rows]) for metric in rows[0]}
        summaries.append(CandidateSummary(name=name, metrics=metrics))
    return tuple(summaries)


def _summary(values: Sequence[float | None]) -> Summary:
    known = [value for value in values if value is not None]
    if len(known) < len(values):  # a mean over the seeds that happened to have it would not compare
        return Summary(mean=None, std=None, n=len(known))
    mean = math.fsum(known) / len(known)
    if len(known) == 1:
        return Summary(mean=mean, std=None, n=1)
    squares = math.fsum((value - mean) ** 2 for value in known)
    return Summary(mean=mean, std=math.sqrt(squares / (len(known) - 1)), n=len(known))
