"""What an evaluation says of one subject: each gate, read off its reports."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from invarlock.families import Family
from invarlock.guards.report import Severity, Violation
from invarlock.policy.schema import DriftCap
from invarlock.reports.evaluation_report import EvaluationReport
from invarlock.reports.evaluation_sections import SpectralSection

KINDS = ("log_sigma", "relative_change", "edit_edge")
_FLATTENED = ("stable_rank_collapse", "norm_collapse")


class Said(StrEnum):
    """What a gate says: nothing, something that the policy lets pass, or no; or it could not judge."""

    NOTHING = "nothing"
    WARNS = "warns"
    FAILS = "fails"
    UNJUDGED = "unjudged"


@dataclass(frozen=True)
class Finding:
    """One subject under one policy.

    ratio: perplexity over the baseline's on the final windows, None without losses; limit: of the policy, hysteresis
    and all; gates: by column of the table; drift: the largest of each statistic over the modules, empty where it was
    not measured; beyond: those of them above the policy's caps.
    """

    ratio: float | None
    limit: float
    gates: dict[str, Said]
    drift: dict[str, float]
    beyond: tuple[str, ...]
    exit_code: int

    @property
    def destructive(self) -> bool:
        """The perplexity ratio is above the limit, or there is none."""
        return self.ratio is None or self.ratio > self.limit


def read_finding(report: EvaluationReport) -> Finding:
    """The row of ``report``."""
    ratios = report.resolved_policy.metrics.pm_ratio
    spectral = report.spectral if isinstance(report.spectral, SpectralSection) else None
    return Finding(
        ratio=math.exp(report.spike.mean_delta) if report.spike else None,
        limit=ratios.ratio_limit_base + ratios.hysteresis_ratio,
        gates=_gates(report, spectral),
        drift=_drift(spectral) if spectral else {},
        beyond=tuple(_beyond(report, spectral)) if spectral else (),
        exit_code=report.verdict.exit_code,
    )


def _gates(report: EvaluationReport, spectral: SpectralSection | None) -> dict[str, Said]:
    flags, tail, spike = report.validation, report.primary_metric_tail, report.spike
    return {
        "metric": _measured(flags.primary_metric_acceptable, report.primary_metric_gate),
        "tail": _measured(flags.primary_metric_tail_acceptable, tail, warns=bool(tail and tail.violations)),
        "drift": _measured(flags.preview_final_drift_acceptable, report.preview_final_drift),
        "spike": _measured(not (spike and spike.spiked), spike),
        "invariants": _said(report.invariants.violations),
        "z": _z(spectral),
        "flattened": Said.UNJUDGED if spectral is None else _said(_of(spectral, _FLATTENED)),
        "RMT": Said.FAILS if not flags.rmt_stable else _said(report.rmt.violations),
    }


def _measured(acceptable: bool, found: object | None, *, warns: bool = False) -> Said:
    if found is None:
        return Said.UNJUDGED
    if not acceptable:
        return Said.FAILS
    return Said.WARNS if warns else Said.NOTHING


def _said(violations: Iterable[Violation]) -> Said:
    severities = {violation.severity for violation in violations}
    if Severity.FATAL in severities:
        return Said.FAILS
    return Said.WARNS if severities else Said.NOTHING


def _z(spectral: SpectralSection | None) -> Said:
    if spectral is None:
        return Said.UNJUDGED
    if spectral.caps_exceeded:
        return Said.FAILS
    return Said.WARNS if spectral.caps_applied else Said.NOTHING


def _of(spectral: SpectralSection, kinds: tuple[str, ...]) -> list[Violation]:
    return [violation for violation in spectral.violations if violation.type in kinds]


def _drift(spectral: SpectralSection) -> dict[str, float]:
    found = {kind: [getattr(module, kind) for module in spectral.modules] for kind in KINDS}
    return {kind: max(map(abs, values)) for kind, values in found.items() if None not in values}


def _beyond(report: EvaluationReport, spectral: SpectralSection) -> Iterable[str]:
    """Asked of the numbers again, not of the guard's findings: a finding does not name its statistic."""
    caps = report.resolved_policy.spectral.drift_caps or {}
    for kind in KINDS:
        if any(
            _above(module, kind, caps.get(module.family, caps.get(Family.OTHER)))
            for module in spectral.modules
        ):
            yield kind


def _above(module: object, kind: str, cap: DriftCap | None) -> bool:
    limit = None if cap is None else getattr(cap, kind)
    return limit is not None and abs(getattr(module, kind)) > limit
