"""A guard's entry cannot say one thing and its findings another."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from invarlock.guards.report import GuardReport, Severity, Unjudged, Verdict, Violation
from invarlock.guards.rmt import judge_rmt
from invarlock.guards.spectral import judge_spectral
from invarlock.policy.rmt import RmtPolicy
from invarlock.policy.schema import SpectralPolicy
from tests.guards.edge_records import record
from tests.guards.measured_matrices import measure_all

FATAL = Violation(type="x", severity=Severity.FATAL, message="it broke")
BUDGETED = Violation(type="x", severity=Severity.BUDGETED, message="it moved")
WARNING = Violation(type="x", severity=Severity.WARNING, message="it moved a little")


def entry(verdict: Verdict, *, passed: bool, findings: tuple[Violation, ...]) -> GuardReport:
    return GuardReport(
        name="invariants",
        verdict=verdict,
        passed=passed,
        policy={},
        metrics=Unjudged(reason="none"),
        violations=findings,
        diagnostics=(),
    )


@pytest.mark.parametrize("passed", [True, False])
@pytest.mark.parametrize("verdict", Verdict)
@pytest.mark.parametrize(
    ("findings", "due"),
    [
        ((), Verdict.ALLOW),
        ((WARNING, BUDGETED), Verdict.MONITOR),
        ((WARNING, FATAL), Verdict.BLOCK),
    ],
    ids=["none", "tolerated", "fatal"],
)
def test_only_the_verdict_of_the_findings_is_accepted(
    findings: tuple[Violation, ...], due: Verdict, verdict: Verdict, passed: bool
) -> None:
    if verdict is due and passed is (due is not Verdict.BLOCK):
        assert entry(verdict, passed=passed, findings=findings).verdict is due
        return
    with pytest.raises(ValidationError, match="verdict is"):
        entry(verdict, passed=passed, findings=findings)


def test_an_exceeded_budget_blocks_without_a_fatal_finding(weights) -> None:
    tight = SpectralPolicy(family_caps=dict.fromkeys(("ffn", "attn", "embed", "other"), 0.01), max_caps=0)
    moved = {name: weight * (1.5 if name.startswith("ffn") else 1) for name, weight in weights.items()}
    found = judge_spectral(measure_all(weights), measure_all(moved), tight)
    assert found.metrics.caps_exceeded  # type: ignore[union-attr]
    document = json.loads(found.model_dump_json())
    assert GuardReport.model_validate(document) == found
    with pytest.raises(ValidationError, match="its findings give block"):
        GuardReport.model_validate(document | {"verdict": "monitor", "passed": True})


def test_a_blocked_rmt_cannot_read_stable() -> None:
    found = judge_rmt(record(), record({"proj": 8.0}), RmtPolicy())
    document = json.loads(found.model_dump_json())
    assert document["metrics"]["stable"] is False
    with pytest.raises(ValidationError, match="stable is True where the verdict is block"):
        GuardReport.model_validate(document | {"metrics": document["metrics"] | {"stable": True}})
