"""Matrices that an edit has flattened: lost rank, or rows and columns that died (design page 2)."""

from __future__ import annotations

from collections.abc import Iterator

from invarlock.guards.pairing import ModulePair
from invarlock.guards.report import LimitViolation, Severity
from invarlock.measure.records import NormRange

STABLE_RANK_WARN, STABLE_RANK_FATAL = 0.5, 0.25
COLLAPSE_WARN, COLLAPSE_FATAL = 0.25, 0.10


def stable_rank_ratio(pair: ModulePair) -> float:
    """Stable rank of the subject over the baseline's; 1 when the baseline is a zero matrix."""
    base = pair.baseline.stable_rank
    return pair.subject.stable_rank / base if base > 0.0 else 1.0


def norm_collapse_ratio(pair: ModulePair) -> float:
    """How far the smallest row or column fell behind the median one, against the baseline.

    For rows, and for columns: (min / median of the subject's norms) / (min / median of the baseline's); the
    smaller of the two. Both are over the rows that are not dead, so an unused padding row of the baseline
    hides nothing; more dead rows than in the baseline are a ratio of 0, however many live on. Dead rows are
    counted, not named. An axis that is all dead in the baseline cannot collapse and counts as 1.
    """
    return min(
        _axis_ratio(pair.baseline.row_norms, pair.subject.row_norms),
        _axis_ratio(pair.baseline.column_norms, pair.subject.column_norms),
    )


def _axis_ratio(base: NormRange, subject: NormRange) -> float:
    if subject.zeros > base.zeros:
        return 0.0
    if base.median == 0.0:
        return 1.0
    return (subject.min / subject.median) / (base.min / base.median)


def degeneracy_violations(pair: ModulePair) -> Iterator[LimitViolation]:
    """Findings of one module: fatal or warning, strictly below the limits."""
    for kind, ratio, warn, fatal in (
        ("stable_rank_collapse", stable_rank_ratio(pair), STABLE_RANK_WARN, STABLE_RANK_FATAL),
        ("norm_collapse", norm_collapse_ratio(pair), COLLAPSE_WARN, COLLAPSE_FATAL),
    ):
        if ratio >= warn:
            continue
        severity, limit = (Severity.FATAL, fatal) if ratio < fatal else (Severity.WARNING, warn)
        yield LimitViolation(
            type=kind,
            severity=severity,
            message=f"{pair.name}: {kind.replace('_', ' ')}, {ratio:.3g} of the baseline's (limit {limit})",
            module=pair.name,
            family=pair.family,
            value=ratio,
            limit=limit,
        )
