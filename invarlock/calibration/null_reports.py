"""The edge of the null sweep's arithmetic: run-report JSON in, typed observations out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pydantic import Field, JsonValue

from invarlock.calibration.report_edge import Lenient, ReportEdge, place_of, read_guard
from invarlock.errors import DataError
from invarlock.families import Family
from invarlock.policy.schema import Correction

DriftMaxima = Mapping[str, float]  # log_sigma (absolute), relative_change, edit_edge


@dataclass(frozen=True)
class NullObservation:
    """What one run says about the null.

    weights: identity of the judged weights, None when the report has none; unchanged: they are the
    baseline's; max_z: largest finite |z| by family; candidates and selected: families by the run's own rule;
    max_drift: by family, the largest of each drift statistic, empty when drift was not measured.
    """

    tier: str | None
    baseline: str | None
    weights: str | None
    unchanged: bool
    method: Correction
    alpha: float
    m: int
    fixed: FixedSettings
    max_z: Mapping[Family, float]
    modules: Mapping[Family, int]
    p_values: Mapping[Family, float]
    candidates: Mapping[Family, int]
    selected: tuple[Family, ...]
    warns: bool
    max_drift: Mapping[Family, DriftMaxima]


class FixedSettings(Lenient):
    """Policy that calibration leaves alone; None where a report does not say."""

    deadband: float | None = None
    scope: str | None = None
    max_caps: int | None = None
    max_spectral_norm: float | None = None


class _FamilyZ(Lenient):
    max: float | None = None
    count: int | None = None


class _MultipleTesting(Lenient):
    method: Correction
    alpha: float = Field(gt=0, lt=1)
    m: int = Field(ge=1)


class _Selection(Lenient):
    families_selected: tuple[Family, ...] = ()
    family_pvalues: Mapping[Family, float] = {}
    family_violation_counts: Mapping[Family, int] = {}


class _Module(Lenient):
    family: Family
    log_sigma: float | None = None
    relative_change: float | None = None
    edit_edge: float | None = None


class _Metrics(Lenient):
    family_z_summary: Mapping[Family, _FamilyZ] = {}
    family_z_quantiles: Mapping[Family, _FamilyZ] = {}
    multiple_testing: _MultipleTesting
    multiple_testing_selection: _Selection
    caps_applied: int
    max_caps: int | None = None
    modules: tuple[_Module, ...] = ()
    weights_digest: str | None = None
    baseline_weights_digest: str | None = None


class _Guard(Lenient):
    metrics: _Metrics
    violations: tuple[JsonValue, ...]
    policy: FixedSettings = FixedSettings()


def read_observation(report: Mapping[str, object], position: int) -> NullObservation | None:
    """One run report's spectral evidence; None when it carries no ``spectral`` guard.

    Raises DataError, naming the report by its ``position`` (from 0) and the key, when the entry is not whole.
    """
    parsed, guard = read_guard(report, position, "spectral", _Guard)
    return None if guard is None else _observation(parsed, guard, place_of(position))


def _observation(report: ReportEdge, guard: _Guard, where: str) -> NullObservation:
    metrics, selection = guard.metrics, guard.metrics.multiple_testing_selection
    max_z = _max_z(metrics)
    if not max_z:
        raise DataError("the spectral entry has no finite z-score", where=where, fix="judge the run again")
    max_caps = guard.policy.max_caps if metrics.max_caps is None else metrics.max_caps
    return NullObservation(
        tier=report.meta.tier,
        baseline=report.model.baseline_digest or report.model.digest,
        weights=metrics.weights_digest or report.model.digest,
        unchanged=metrics.weights_digest is not None
        and metrics.weights_digest == metrics.baseline_weights_digest,
        method=metrics.multiple_testing.method,
        alpha=metrics.multiple_testing.alpha,
        m=metrics.multiple_testing.m,
        fixed=guard.policy.model_copy(update={"max_caps": max_caps}),
        max_z=max_z,
        modules=_counts(metrics),
        p_values=selection.family_pvalues,
        candidates=selection.family_violation_counts,
        selected=selection.families_selected,
        warns=metrics.caps_applied > 0 or len(guard.violations) > 0,
        max_drift=_max_drift(metrics.modules),
    )


def _max_z(metrics: _Metrics) -> dict[Family, float]:
    """Larger of the summary's signed maximum and the quantiles' maximum of |z|, where finite."""
    found: dict[Family, float] = {}
    for table in (metrics.family_z_summary, metrics.family_z_quantiles):
        for family, entry in table.items():
            if entry.max is not None and math.isfinite(entry.max):
                found[family] = max(entry.max, found.get(family, entry.max))
    return found


def _counts(metrics: _Metrics) -> dict[Family, int]:
    tables = {**metrics.family_z_quantiles, **metrics.family_z_summary}
    return {family: entry.count for family, entry in tables.items() if entry.count is not None}


def _max_drift(modules: Iterable[_Module]) -> Mapping[Family, DriftMaxima]:
    maxima: dict[Family, dict[str, float]] = {}
    for module in modules:
        if module.log_sigma is None or module.relative_change is None or module.edit_edge is None:
            continue
        drift = {
            "log_sigma": abs(module.log_sigma),
            "relative_change": module.relative_change,
            "edit_edge": module.edit_edge,
        }
        before = maxima.setdefault(module.family, drift)
        maxima[module.family] = {kind: max(value, before[kind]) for kind, value in drift.items()}
    return maxima
