"""The edge of the VE sweep's arithmetic: run-report JSON in, typed observations out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from invarlock.calibration.min_effect import run_gain
from invarlock.calibration.report_edge import Lenient, ReportEdge, place_of, read_guard
from invarlock.errors import DataError

Finite = Annotated[float, Field(allow_inf_nan=False)]


@dataclass(frozen=True)
class VeObservation:
    """What one run says about the predictive gate; None, or an empty set, where its report does not say.

    edited: digest of the model that the scales were tried on; windows: calibration windows; window_ids: which;
    min_effect: the policy's, nats per token; delta_ci, mean_delta, deviation: of the windows' NLL with scales less
    without, nats per token.
    """

    tier: str | None
    baseline: str | None
    edited: str | None
    windows: int | None
    window_ids: frozenset[str]
    one_sided: bool | None
    min_effect: float | None
    ci_method: str | None
    passed: bool
    reason: str
    delta_ci: tuple[float, float] | None
    mean_delta: float | None
    deviation: float | None

    def gain(self, *, one_sided: bool) -> float:
        """The improvement that the run's interval vouches for, nats per token."""
        return run_gain(self.delta_ci, self.mean_delta, one_sided=one_sided)


class _Gate(Lenient):
    passed: bool = False
    reason: str = "unstated"
    delta_ci: tuple[Finite, Finite] | None = None
    mean_delta: Finite | None = None
    deviation: Annotated[Finite, Field(ge=0)] | None = None
    windows: Annotated[int, Field(ge=0)] | None = None
    one_sided: bool | None = None
    min_effect_lognll: Finite | None = None
    ci_method: str | None = None


class _Condition(Lenient):
    window_ids: frozenset[str] = frozenset()


class _Provenance(Lenient):
    condition_a: _Condition | None = None


class _AbTest(Lenient):
    windows_used: Annotated[int, Field(ge=0)] | None = None
    provenance: _Provenance | None = None


class _Metrics(Lenient):
    predictive_gate: _Gate
    ab_test: _AbTest | None = None


class _Guard(Lenient):
    metrics: _Metrics


def read_ve_observation(report: Mapping[str, object], position: int) -> VeObservation | None:
    """One run report's predictive gate; None when it carries no ``variance`` guard.

    Raises DataError, naming the report by its ``position`` (from 0) and the key, when the entry is not whole or
    contradicts itself.
    """
    parsed, guard = read_guard(report, position, "variance", _Guard)
    return None if guard is None else _observation(parsed, guard.metrics, place_of(position))


def _observation(report: ReportEdge, metrics: _Metrics, where: str) -> VeObservation:
    gate, ab_test = metrics.predictive_gate, metrics.ab_test or _AbTest()
    _check(gate, where)
    condition = ab_test.provenance.condition_a if ab_test.provenance is not None else None
    return VeObservation(
        tier=report.meta.tier,
        baseline=report.model.baseline_digest,
        edited=report.model.digest,
        windows=gate.windows if ab_test.windows_used is None else ab_test.windows_used,
        window_ids=frozenset() if condition is None else condition.window_ids,
        one_sided=gate.one_sided,
        min_effect=gate.min_effect_lognll,
        ci_method=gate.ci_method,
        passed=gate.passed,
        reason=gate.reason,
        delta_ci=gate.delta_ci,
        mean_delta=gate.mean_delta,
        deviation=gate.deviation,
    )


def _check(gate: _Gate, where: str) -> None:
    wrong = None
    if gate.delta_ci is not None and gate.delta_ci[0] > gate.delta_ci[1]:
        wrong = f"delta_ci {list(gate.delta_ci)} is upside down"
    elif gate.delta_ci is not None and gate.mean_delta is None:
        wrong = "delta_ci has no mean_delta beside it"
    elif gate.delta_ci is None and gate.passed:
        wrong = "the gate passed without a delta_ci"
    if wrong is not None:
        raise DataError(
            f"metrics.predictive_gate: {wrong}", where=where, fix="run the sweep that wrote this report again"
        )
