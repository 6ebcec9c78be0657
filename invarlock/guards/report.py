"""What a guard says: one entry of a run report's ``guards``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

from pydantic import JsonValue

from invarlock.families import Family
from invarlock.guards.rmt_metrics import RmtMetrics
from invarlock.guards.spectral_metrics import SpectralMetrics
from invarlock.guards.variance_metrics import VarianceMetrics
from invarlock.record import Record


class Verdict(StrEnum):
    """allow: nothing found; monitor: findings that the policy tolerates; block: one it does not."""

    ALLOW = "allow"
    MONITOR = "monitor"
    BLOCK = "block"


class Severity(StrEnum):
    """fatal: blocks by itself; budgeted: counts against ``max_caps``; warning: recorded, never blocks."""

    FATAL = "fatal"
    BUDGETED = "budgeted"
    WARNING = "warning"


class Violation(Record):
    """One finding. ``message`` is a sentence with the numbers; module and family where it has one."""

    type: str
    severity: Severity
    message: str
    module: str | None = None
    family: Family | None = None


class CapViolation(Violation):
    """A module whose |z| is above its family's cap, in a family that the multiple-testing rule selected."""

    z_score: float
    kappa: float


class LimitViolation(Violation):
    """A measured value on the wrong side of a fixed limit."""

    value: float
    limit: float


class InvariantsMetrics(Record):
    """Metrics of the ``invariants`` entry: each check and whether it held, and what was compared."""

    checks: Mapping[str, bool]
    parameters: int
    tied_groups: int
    norm_layers: int
    embedding_rows: int
    vocabulary_size: int | None


class Unjudged(Record):
    """Metrics of a guard that could not judge: none. reason: why."""

    reason: str


class GuardReport(Record):
    """A guard's verdict with all it was made from.

    passed: the verdict is not block; policy: the resolved policy it judged by; diagnostics: plain sentences
    about what the numbers can and cannot show.
    """

    name: str
    verdict: Verdict
    passed: bool
    policy: Mapping[str, JsonValue]
    metrics: SpectralMetrics | InvariantsMetrics | VarianceMetrics | RmtMetrics | Unjudged
    violations: tuple[CapViolation | LimitViolation | Violation, ...]
    diagnostics: tuple[str, ...]


def verdict_of(violations: Sequence[Violation], *, budget_exceeded: bool = False) -> Verdict:
    """block on any fatal finding or an exceeded budget; monitor on any other finding; else allow."""
    if budget_exceeded or any(violation.severity is Severity.FATAL for violation in violations):
        return Verdict.BLOCK
    return Verdict.MONITOR if violations else Verdict.ALLOW
