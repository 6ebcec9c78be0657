"""The RMT guard: are activations still as close to the edge of noise as the baseline's?

Pure: two edge risk measurements and a policy in, a report out (design page 2, seeds 001 and 002).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from invarlock.errors import MeasurementError
from invarlock.families import Family
from invarlock.guards.edge_comparison import compare_families, compare_modules
from invarlock.guards.report import GuardReport, LimitViolation, Severity, Verdict, Violation, verdict_of
from invarlock.guards.rmt_metrics import FamilyEdge, ModuleEdge, RmtMetrics, RmtStatus
from invarlock.measure.edge_records import EdgeRiskRecord
from invarlock.metrics.paired_windows import require_same_windows
from invarlock.policy.rmt import RmtPolicy

Findings = Sequence[LimitViolation | Violation]


def judge_rmt(
    baseline: EdgeRiskRecord | None, subject: EdgeRiskRecord | None, policy: RmtPolicy
) -> GuardReport:
    """Judge the subject's edge risks against its baseline's, on the same windows.

    A family is accepted iff r_cur <= (1 + epsilon) r_base, r the largest of its modules' risks. Verdict: block on a
    family beyond its band, on a family or module that only one side has, and without a baseline or subject; monitor
    when a module moved either way by more than a factor margin (1 + deadband); else allow.

    Raises DataError when the windows differ, MeasurementError when the contracts do.
    """
    if baseline is None or subject is None:
        side = "baseline" if baseline is None else "subject"
        return refuse_rmt(f"the {side}'s edge risk was not measured", policy)
    _require_comparable(baseline, subject)
    modules = compare_modules(baseline, subject)
    families = compare_families(baseline, subject, policy)
    missing = tuple(_one_sided(baseline, subject))
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
        windows=tuple(window.window_id for window in subject.windows),
        contract=subject.contract,
        contract_digest=subject.contract.digest16,
    )
    findings = (*missing, *_beyond_band(beyond, modules), *_moved(modules, policy))
    return _report(policy, metrics, findings, tuple(_diagnostics(families, subject)))


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


def _report(
    policy: RmtPolicy, metrics: RmtMetrics, violations: Findings, diagnostics: tuple[str, ...]
) -> GuardReport:
    verdict = verdict_of(violations)
    return GuardReport(
        name="rmt",
        verdict=verdict,
        passed=verdict is not Verdict.BLOCK,
        policy=policy.model_dump(mode="json"),
        metrics=metrics,
        violations=tuple(violations),
        diagnostics=diagnostics,
    )


def _require_comparable(baseline: EdgeRiskRecord, subject: EdgeRiskRecord) -> None:
    require_same_windows(subject.losses, baseline.losses, arms=("the subject", "the baseline"))
    if baseline.contract != subject.contract:
        raise MeasurementError(
            f"edge risk was estimated under two contracts: {baseline.contract.digest16} for the baseline, "
            f"{subject.contract.digest16} for the subject",
            fix="measure both with the same estimator",
        )


def _one_sided(baseline: EdgeRiskRecord, subject: EdgeRiskRecord) -> Iterator[Violation]:
    """Families and modules that one side has no edge risk of: a maximum over other modules is no comparison."""
    for ours, theirs, side in ((baseline, subject, "subject"), (subject, baseline, "baseline")):
        families = {site.family for site in theirs.sites}
        for family in sorted({site.family for site in ours.sites} - families):
            yield Violation(
                type="edge_family_missing",
                severity=Severity.FATAL,
                message=f"the {side} has no edge risk in family {family.value}",
                family=family,
            )
        for site in ours.sites:
            if site.family in families and site not in theirs.sites:
                yield Violation(
                    type="edge_module_missing",
                    severity=Severity.FATAL,
                    message=f"the {side} has no edge risk of {site.module}",
                    module=site.module,
                    family=site.family,
                )


def _beyond_band(
    beyond: Mapping[Family, FamilyEdge], modules: Mapping[str, ModuleEdge]
) -> Iterator[LimitViolation]:
    for family, edge in beyond.items():
        own = [name for name, module in modules.items() if module.family is family]
        yield LimitViolation(
            type="edge_epsilon",
            severity=Severity.FATAL,
            message=f"{family.value}: edge risk {edge.edge_cur:.6g} is above {edge.allowed:.6g}, the baseline's "
            f"{edge.edge_base:.6g} and {edge.epsilon:.3g} of it",
            module=max(own, key=lambda name: modules[name].edge_cur, default=None),
            family=family,
            value=edge.edge_cur,
            limit=edge.allowed,
        )


def _moved(modules: Mapping[str, ModuleEdge], policy: RmtPolicy) -> Iterator[LimitViolation]:
    """Outlier diagnostics, never a block. A family cannot fall by a factor unless one of its modules does."""
    factor = policy.margin * (1 + policy.deadband)
    for name, edge in modules.items():
        size = max(edge.ratio, 1 / edge.ratio)
        if size > factor:
            kind = "rise" if edge.ratio > 1 else "fall"
            yield LimitViolation(
                type=f"edge_{kind}",
                severity=Severity.WARNING,
                message=f"{name}: edge risk {edge.edge_base:.4g} became {edge.edge_cur:.4g}, a {kind} by more than "
                f"a factor {factor:.3g}",
                module=name,
                family=edge.family,
                value=edge.ratio,
                limit=factor if edge.ratio > 1 else 1 / factor,
            )


def _diagnostics(families: Mapping[Family, FamilyEdge], subject: EdgeRiskRecord) -> Iterator[str]:
    """Plain sentences about what the numbers cannot show."""
    for family, edge in families.items():
        if edge.ceiling <= edge.allowed:
            yield (
                f"{family.value}: no outputs of these shapes can leave the band (at most {edge.ceiling:.4g}, "
                f"{edge.allowed:.4g} allowed), so nothing about this family was tested"
            )
    if subject.absent:
        yield f"the loaded model does not have {', '.join(subject.absent)}: no activation to judge"
