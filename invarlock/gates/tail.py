"""``validation.primary_metric_tail_acceptable``: windows that the edit harms a lot while the mean hardly moves."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from invarlock.errors import DataError
from invarlock.gates.support import GateStatus
from invarlock.guards.report import LimitViolation, Severity
from invarlock.policy.metrics import TailGate, TailMode
from invarlock.record import Record


class TailStats(Record):
    """Of delta log NLL, nats per token, one a final window. quantile_value: at the policy's quantile.

    tail_mass: share of the windows above epsilon; largest: the worst window's.
    """

    windows: int
    quantile_value: float
    tail_mass: float
    largest: float


class TailFlag(Record):
    """acceptable: the flag, false only for a violation in mode fail; evaluated: violations were looked for."""

    acceptable: bool
    status: GateStatus
    evaluated: bool
    stats: TailStats
    policy: TailGate
    violations: tuple[LimitViolation, ...]


def judge_tail(deltas: Sequence[float], policy: TailGate) -> TailFlag:
    """Quantile (linear, unweighted) <= quantile_max and P(delta > epsilon) <= mass_max, from min_windows on.

    deltas: subject less baseline on the final windows. DataError for none, or one that is not finite.
    """
    stats = _stats(deltas, policy)
    status = _status(stats.windows, policy)
    evaluated = status in (GateStatus.ENFORCED, GateStatus.RECORDED)
    violations = _violations(stats, policy) if evaluated else ()
    return TailFlag(
        acceptable=not violations or status is not GateStatus.ENFORCED,
        status=status,
        evaluated=evaluated,
        stats=stats,
        policy=policy,
        violations=violations,
    )


def _stats(deltas: Sequence[float], policy: TailGate) -> TailStats:
    if not deltas:
        raise DataError("no final windows, so no tail", fix="evaluate final windows in both arms")
    undefined = [position for position, delta in enumerate(deltas) if not math.isfinite(delta)]
    if undefined:
        raise DataError(
            f"the difference is not finite at positions {undefined} of {len(deltas)}",
            fix="look at those windows' losses in both arms",
        )
    return TailStats(
        windows=len(deltas),
        quantile_value=float(np.quantile(deltas, policy.quantile)),
        tail_mass=sum(delta > policy.epsilon for delta in deltas) / len(deltas),
        largest=max(deltas),
    )


def _status(windows: int, policy: TailGate) -> GateStatus:
    if policy.mode is TailMode.OFF:
        return GateStatus.OFF
    if windows < policy.min_windows:
        return GateStatus.UNDERPOWERED
    return GateStatus.ENFORCED if policy.mode is TailMode.FAIL else GateStatus.RECORDED


def _violations(stats: TailStats, policy: TailGate) -> tuple[LimitViolation, ...]:
    severity = Severity.FATAL if policy.mode is TailMode.FAIL else Severity.WARNING
    found = []
    if stats.quantile_value > policy.quantile_max:
        at = f"the {policy.quantile:g} quantile of delta log NLL is {stats.quantile_value:.6g}"
        found.append(("tail_quantile", at, stats.quantile_value, policy.quantile_max))
    if stats.tail_mass > policy.mass_max:
        share = f"a share {stats.tail_mass:.6g} of the windows has delta log NLL above {policy.epsilon:g}"
        found.append(("tail_mass", share, stats.tail_mass, policy.mass_max))
    return tuple(
        LimitViolation(
            type=kind, severity=severity, message=f"{what}; at most {limit:g}", value=value, limit=limit
        )
        for kind, what, value, limit in found
    )
