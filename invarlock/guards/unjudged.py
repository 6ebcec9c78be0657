"""A guard that could not judge: a block that says why (fail closed)."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

from invarlock.guards.report import GuardReport, Severity, Unjudged, Verdict, Violation


def refuse(name: str, reason: str, policy: Mapping[str, JsonValue]) -> GuardReport:
    """The entry of guard ``name`` where it has nothing to judge by, such as what a measurement raised."""
    finding = Violation(type=f"{name}_unjudged", severity=Severity.FATAL, message=reason)
    return GuardReport(
        name=name,
        verdict=Verdict.BLOCK,
        passed=False,
        policy=policy,
        metrics=Unjudged(reason=reason),
        violations=(finding,),
        diagnostics=(),
    )
