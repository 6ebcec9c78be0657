"""The RMT guard: are activations still as close to the edge of noise as the baseline's?

Pure: two edge risk measurements and a policy in, a report out (design page 2, seeds 001 and 002).
"""

from __future__ import annotations

from collections.abc import Sequence

from invarlock.errors import DataError, MeasurementError
from invarlock.guards.edge_comparison import compare_families, compare_modules
from invarlock.guards.report import GuardReport, LimitViolation, Severity, Verdict, Violation, verdict_of
from invarlock.guards.rmt_findings import absent_sites, beyond_band, diagnostics, moved, one_sided
from invarlock.guards.rmt_metrics import RmtMetrics, RmtStatus
from invarlock.measure.edge_records import EdgeRiskRecord
from invarlock.metrics.paired_windows import name_windows, require_same_windows
from invarlock.policy.rmt import RmtPolicy

Findings = Sequence[LimitViolation | Violation]


def judge_rmt(
    baseline: EdgeRiskRecord | None, subject: EdgeRiskRecord | None, policy: RmtPolicy
) -> GuardReport:
    """Judge the subject's edge risks against its baseline's, on the same windows.

    A family is accepted iff r_cur <= (1 + epsilon) r_base, r the largest of its modules' risks. Verdict: block on a
    family beyond its band, on a family or module that only one side has, on sites of the checkpoint that neither loaded
    model has (but for those that no language model runs), and without a baseline or subject; monitor when a module
    moved either way by more than a factor margin (1 + deadband); else allow.

    Raises DataError when the windows differ, MeasurementError when the contracts do.
    """
    if baseline is None or subject is None:
        side = "baseline" if baseline is None else "subject"
        return refuse_rmt(f"the {side}'s edge risk was not measured", policy)
    require_same_windows(subject.losses, baseline.losses, arms=("the subject", "the baseline"))
    return _compare(baseline, subject, policy, baseline_windows=None)


def judge_redraw(baseline: EdgeRiskRecord, again: EdgeRiskRecord, policy: RmtPolicy) -> GuardReport:
    """The same judgement of one model against itself on other windows: a null, which no evaluation makes.

    Whatever it finds, the windows did it. Raises DataError when the two sets share a window, MeasurementError when
    the contracts differ.
    """
    ours, theirs = _windows_of(again), _windows_of(baseline)
    if shared := sorted(set(ours) & set(theirs)):
        raise DataError(
            f"the two sets of a redraw share {len(shared)} windows",
            where=name_windows(shared),
            fix="draw them apart: on the same windows a model's edge risk is the same",
        )
    return _compare(baseline, again, policy, baseline_windows=theirs)


def refuse_rmt(reason: str, policy: RmtPolicy) -> GuardReport:
    """The entry where there is nothing to compare: a block that says why, such as what a measurement raised."""
    metrics = RmtMetrics(
        status=RmtStatus.UNMEASURED,
        stable=False,
        families={},
        epsilon_by_family=policy.epsilon_by_family,
        epsilon_default=policy.epsilon_default,
        epsilon_violations=(),
        modules={},
        windows=(),
        contract=None,
        contract_digest=None,
    )
    finding = Violation(type="edge_unmeasured", severity=Severity.FATAL, message=reason)
    return _report(policy, metrics, (finding,), ())


def _compare(
    baseline: EdgeRiskRecord,
    subject: EdgeRiskRecord,
    policy: RmtPolicy,
    *,
    baseline_windows: tuple[str, ...] | None,
) -> GuardReport:
    _require_same_contract(baseline, subject)
    modules = compare_modules(baseline, subject)
    families = compare_families(baseline, subject, policy)
    missing = (*one_sided(baseline, subject), *absent_sites(baseline, subject))
    beyond = {family: edge for family, edge in families.items() if edge.edge_cur > edge.allowed}
    status = RmtStatus.UNMEASURED if missing else RmtStatus.UNSTABLE if beyond else RmtStatus.STABLE
    metrics = RmtMetrics(
        status=status,
        stable=status is RmtStatus.STABLE,
        families=families,
        epsilon_by_family=policy.epsilon_by_family,
        epsilon_default=policy.epsilon_default,
        epsilon_violations=tuple(beyond),
        modules=modules,
        windows=_windows_of(subject),
        baseline_windows=baseline_windows,
        contract=subject.contract,
        contract_digest=subject.contract.digest16,
    )
    findings = (*missing, *beyond_band(beyond, modules), *moved(modules, policy))
    return _report(policy, metrics, findings, tuple(diagnostics(families, subject)))


def _report(
    policy: RmtPolicy, metrics: RmtMetrics, violations: Findings, remarks: tuple[str, ...]
) -> GuardReport:
    verdict = verdict_of(violations)
    return GuardReport(
        name="rmt",
        verdict=verdict,
        passed=verdict is not Verdict.BLOCK,
        policy=policy.model_dump(mode="json"),
        metrics=metrics,
        violations=tuple(violations),
        diagnostics=remarks,
    )


def _windows_of(record: EdgeRiskRecord) -> tuple[str, ...]:
    return tuple(window.window_id for window in record.windows)


def _require_same_contract(baseline: EdgeRiskRecord, subject: EdgeRiskRecord) -> None:
    if baseline.contract != subject.contract:
        raise MeasurementError(
            f"edge risk was estimated under two contracts: {baseline.contract.digest16} for the baseline, "
            f"{subject.contract.digest16} for the subject",
            fix="measure both with the same estimator",
        )
