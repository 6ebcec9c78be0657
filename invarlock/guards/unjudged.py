"""A guard without numbers: one that could not judge blocks and says why (fail closed), one that nobody asked allows."""

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


def not_asked(name: str, reason: str, policy: Mapping[str, JsonValue]) -> GuardReport:
    """The entry of guard ``name``, one that is no gate, where it was not tried."""
    return GuardReport(
        name=name,
        verdict=Verdict.ALLOW,
        passed=True,
        policy=policy,
        metrics=Unjudged(reason=reason),
        violations=(),
        diagnostics=(),
    )
