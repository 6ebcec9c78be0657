"""The edge of the RMT sweep's arithmetic: run-report JSON in, typed observations out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import Field, FiniteFloat

from invarlock.calibration.report_edge import Lenient, ReportEdge, place_of, read_guard
from invarlock.errors import DataError
from invarlock.families import Family

_ROUNDING = 1e-9  # a stored delta may differ by this from that of the stored edges


@dataclass(frozen=True)
class EdgePair:
    """A family's edge risk in the baseline, above 0, and in the current model."""

    base: float
    current: float

    @property
    def delta(self) -> float:
        """r_cur / r_base - 1 (seed 001)."""
        return self.current / self.base - 1

    def beyond(self, epsilon: float) -> bool:
        """Whether the guard would block it, by the guard's own arithmetic."""
        return self.current > (1 + epsilon) * self.base


@dataclass(frozen=True)
class RmtObservation:
    """What one run says about the null.

    weights: identity of the judged weights, None when the report has none; windows: the baseline's and the judged
    model's, each set sorted; paired: they are the same by the guard's own account; edges: families that both sides
    have; skipped: those whose baseline is 0 or missing; epsilons, default: the band that the run was judged by.
    """

    tier: str | None
    baseline: str | None
    weights: str | None
    windows: tuple[tuple[str, ...], tuple[str, ...]]
    paired: bool
    contract: str | None
    edges: Mapping[Family, EdgePair]
    skipped: tuple[Family, ...]
    epsilons: tuple[tuple[Family, float], ...]
    default: float

    @property
    def unvaried(self) -> bool:
        """The baseline itself on its own windows: delta is 0 whatever the null is."""
        return self.paired and self.weights is not None and self.weights == self.baseline

    @property
    def beyond(self) -> tuple[Family, ...]:
        """Families outside the band that the run was judged by."""
        bands = dict(self.epsilons)
        return tuple(f for f, pair in self.edges.items() if pair.beyond(bands.get(f, self.default)))


class _Family(Lenient):
    edge_base: FiniteFloat | None = Field(default=None, ge=0)
    edge_cur: FiniteFloat = Field(ge=0)
    delta: FiniteFloat | None = None


class _Metrics(Lenient):
    families: Mapping[Family, _Family]
    epsilon_by_family: Mapping[Family, FiniteFloat]
    epsilon_default: FiniteFloat
    windows: tuple[str, ...]
    baseline_windows: tuple[str, ...] | None = None
    contract_digest: str | None = None


class _Guard(Lenient):
    metrics: _Metrics


def read_rmt_observation(report: Mapping[str, object], position: int) -> RmtObservation | None:
    """One run report's edge risks; None when it carries no ``rmt`` guard.

    Raises DataError, naming the report by its ``position`` (from 0), when the entry is not whole or contradicts itself.
    """
    parsed, guard = read_guard(report, position, "rmt", _Guard)
    return None if guard is None else _observation(parsed, guard.metrics, place_of(position))


def _observation(report: ReportEdge, metrics: _Metrics, where: str) -> RmtObservation:
    current = tuple(sorted(metrics.windows))
    paired = metrics.baseline_windows is None
    base = current if metrics.baseline_windows is None else tuple(sorted(metrics.baseline_windows))
    pairs = {
        family: EdgePair(base=edge.edge_base, current=edge.edge_cur)
        for family, edge in sorted(metrics.families.items())
        if edge.edge_base
    }
    for family, pair in pairs.items():
        stored = metrics.families[family].delta
        if stored is not None and not math.isclose(stored, pair.delta, rel_tol=_ROUNDING, abs_tol=_ROUNDING):
            raise DataError(
                f"rmt.families.{family.value}.delta is {stored:.6g}, its edges give {pair.delta:.6g}",
                where=where,
                fix="judge the run again",
            )
    return RmtObservation(
        tier=report.meta.tier,
        baseline=report.model.baseline_digest or report.model.digest,
        weights=report.model.digest,
        windows=(base, current),
        paired=paired,
        contract=metrics.contract_digest,
        edges=pairs,
        skipped=tuple(sorted(set(metrics.families) - set(pairs))),
        epsilons=tuple(sorted(metrics.epsilon_by_family.items())),
        default=metrics.epsilon_default,
    )
