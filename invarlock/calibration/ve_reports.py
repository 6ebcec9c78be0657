"""The edge of the VE sweep's arithmetic: run-report JSON in, typed observations out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from invarlock.calibration.min_effect import run_gain
from invarlock.calibration.report_edge import Lenient, ReportEdge, place_of, read_guard
from invarlock.errors import DataError
from invarlock.guards.predictive_gate import GateReason, weigh_interval

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
    wrong = _contradiction(gate)
    if wrong is not None:
        raise DataError(
            f"metrics.predictive_gate: {wrong}", where=where, fix="run the sweep that wrote this report again"
        )


def _contradiction(gate: _Gate) -> str | None:
    if gate.delta_ci is None:
        return "passed without a delta_ci" if gate.passed else None
    lower, upper = gate.delta_ci
    if gate.mean_delta is None:
        return "delta_ci has no mean_delta beside it"
    if lower >= upper:
        return f"delta_ci [{lower:g}, {upper:g}] {'has no width' if lower == upper else 'is upside down'}"
    if not lower <= gate.mean_delta <= upper:
        return f"mean_delta {gate.mean_delta:g} is not inside delta_ci [{lower:g}, {upper:g}]"
    # Without a threshold all that is known is that it is not below 0: a gate that passed met that much.
    reason = weigh_interval(gate.mean_delta, gate.delta_ci, min_effect=gate.min_effect_lognll or 0.0)
    known = gate.passed or gate.min_effect_lognll is not None
    if known and gate.passed != (reason is GateReason.CI_GAIN_MET):
        return (
            f"passed is {'true' if gate.passed else 'not true'}, but delta_ci [{lower:g}, {upper:g}] reads "
            f"{reason.value} at min_effect_lognll {gate.min_effect_lognll or 0.0:g}"
        )
    return None
