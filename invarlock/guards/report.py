"""What a guard says: one entry of a run report's ``guards``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Self

from pydantic import JsonValue, model_validator

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


class GuardOutcome(Record):
    """What every guard says. The verdict is that of its findings, or the record is refused: none can read otherwise.

    passed: the verdict is not block; policy: the resolved policy it judged by; diagnostics: plain sentences
    about what the numbers can and cannot show.
    """

    verdict: Verdict
    passed: bool
    policy: Mapping[str, JsonValue]
    violations: tuple[CapViolation | LimitViolation | Violation, ...]
    diagnostics: tuple[str, ...]

    @property
    def judged(self) -> Record:
        """What has the guard's metrics."""
        return self

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        metrics = self.judged
        exceeded = isinstance(metrics, SpectralMetrics) and metrics.caps_exceeded
        due = verdict_of(self.violations, budget_exceeded=exceeded)
        if self.verdict is not due:
            raise ValueError(f"the verdict is {self.verdict.value}, its findings give {due.value}")
        if self.passed is (due is Verdict.BLOCK):
            raise ValueError(f"passed is {self.passed} where the verdict is {due.value}")
        if isinstance(metrics, RmtMetrics) and metrics.stable is not self.passed:
            raise ValueError(f"stable is {metrics.stable} where the verdict is {due.value}")
        return self


class GuardReport(GuardOutcome):
    """A guard's verdict with all it was made from: one entry of a run report's ``guards``."""

    name: str
    metrics: SpectralMetrics | InvariantsMetrics | VarianceMetrics | RmtMetrics | Unjudged

    @property
    def judged(self) -> Record:
        """The metrics."""
        return self.metrics


def verdict_of(violations: Sequence[Violation], *, budget_exceeded: bool = False) -> Verdict:
    """block on any fatal finding or an exceeded budget; monitor on any other finding; else allow."""
    if budget_exceeded or any(violation.severity is Severity.FATAL for violation in violations):
        return Verdict.BLOCK
    return Verdict.MONITOR if violations else Verdict.ALLOW
