"""The guards explained: invariants, spectra of weights, edge risk of activations, variance equalization."""

from __future__ import annotations

from collections.abc import Iterator

from invarlock.families import Family
from invarlock.gates.support import GateStatus
from invarlock.guards.predictive_gate import GateReason
from invarlock.guards.report import GuardOutcome, Severity
from invarlock.guards.rmt_metrics import RmtStatus
from invarlock.reports.evaluation_report import EvaluationReport
from invarlock.reports.evaluation_sections import (
    RmtSection,
    SpectralSection,
    UnjudgedSection,
    VarianceSection,
)
from invarlock.reports.explain_settings import settings_of
from invarlock.reports.explanation import Comparison, GateExplanation, Information, Relation
from invarlock.reports.number_text import counted, listed, number

_SHOWN = 8  # findings listed; the report has them all
_EDGE_RISK = "Edge risk, how far activations stand out from noise,"

_GATE_WORDS = {
    GateReason.DISABLED: "the tier switches the predictive gate off",
    GateReason.NO_CALIBRATION: "no calibration windows were run",
    GateReason.INSUFFICIENT_COVERAGE: "there were fewer calibration windows than asked for",
    GateReason.NO_SCALES: "no scale is worth proposing",
    GateReason.CI_UNAVAILABLE: "the windows give no interval",
    GateReason.CI_CONTAINS_ZERO: "the gain cannot be told from none",
    GateReason.REGRESSION_DETECTED: "the scales make the loss larger",
    GateReason.MEAN_NOT_NEGATIVE: "on average the scales gain nothing",
    GateReason.GAIN_BELOW_THRESHOLD: "the gain is below the tier's minimum",
    GateReason.CI_GAIN_MET: "the gain is shown, and as large as the tier asks",
}


def explain_invariants(report: EvaluationReport) -> GateExplanation:
    """``invariants_pass``: what no edit may change."""
    section = report.invariants
    broken = sorted(name for name, holds in section.checks.items() if not holds)
    compared = f"{counted(section.parameters, 'parameter')}, {counted(section.norm_layers, 'norm layer')}"
    finding = (
        f"Broken: {listed(broken)}."
        if broken
        else f"All {len(section.checks)} checks hold ({listed(sorted(section.checks))}): {compared}."
    )
    return GateExplanation(
        flag="invariants_pass",
        title="Invariants",
        status=GateStatus.ENFORCED,
        acceptable=report.validation.invariants_pass,
        finding=finding,
        notes=_notes(section),
    )


def explain_spectral(report: EvaluationReport) -> GateExplanation:
    """``spectral_stable``: how far sigma_max of each matrix stands from its family in the baseline."""
    section = report.spectral
    return GateExplanation(
        flag="spectral_stable",
        title="Spectral (weights)",
        status=GateStatus.ENFORCED,
        acceptable=report.validation.spectral_stable,
        finding=_spectral_finding(section),
        judged=not isinstance(section, UnjudgedSection),
        comparisons=tuple(_spectral_comparisons(section)),
        notes=_notes(section),
        settings=settings_of(report, "spectral"),
    )


def _spectral_finding(section: SpectralSection | UnjudgedSection) -> str:
    if isinstance(section, UnjudgedSection):
        return f"Not judged: {section.reason}."
    selection = section.multiple_testing_selection
    fatal = sum(violation.severity is Severity.FATAL for violation in section.violations)
    matrices = counted(section.modules_checked, "matrix", "matrices")
    exceeded = "more than" if section.caps_exceeded else "within"
    parts = [
        f"{counted(section.caps_applied, 'warning')} among {matrices}, {exceeded} the budget of {section.max_caps}"
    ]
    if fatal:
        parts.append(f"{counted(fatal, 'finding')} that no budget covers")
    families = listed([family.value for family in selection.families_selected])
    chosen = f" Families selected by {selection.method.value} at alpha {number(selection.alpha)}: {families}."
    return f"{', and '.join(parts)}.{chosen if families else ''}"


def _spectral_comparisons(section: SpectralSection | UnjudgedSection) -> Iterator[Comparison]:
    if isinstance(section, UnjudgedSection):
        return
    for family in (each for each in Family if each in section.families):
        summary = section.families[family]
        largest, kappa = summary.quantiles.max, summary.kappa
        yield Comparison(
            what=f"{family.value}: largest |z|",
            value=largest,
            relation=Relation.AT_MOST,
            limit=kappa,
            holds=largest <= kappa,
            note=_family_note(section, family),
        )
    yield Comparison(
        what="warnings (caps_applied)",
        value=section.caps_applied,
        relation=Relation.AT_MOST,
        limit=section.max_caps,
        holds=not section.caps_exceeded,
    )


def _family_note(section: SpectralSection, family: Family) -> str:
    summary, worst = section.families[family], section.top_z_scores[family][0].module
    if not summary.violations:
        return worst
    picked = family in section.multiple_testing_selection.families_selected
    return (
        f"{worst}; {summary.violations} of {summary.count} above, {'selected' if picked else 'not selected'}"
    )


def explain_rmt(report: EvaluationReport) -> GateExplanation:
    """``rmt_stable``: edge risk of activations against the baseline's band."""
    section = report.rmt
    return GateExplanation(
        flag="rmt_stable",
        title="RMT (activations)",
        status=GateStatus.ENFORCED,
        acceptable=report.validation.rmt_stable,
        finding=_rmt_finding(section),
        judged=not isinstance(section, UnjudgedSection) and section.status is not RmtStatus.UNMEASURED,
        comparisons=tuple(_rmt_comparisons(section)),
        notes=_notes(section, but=Severity.FATAL),  # those are the finding, and its comparisons
        settings=settings_of(report, "rmt"),
    )


def _rmt_finding(section: RmtSection | UnjudgedSection) -> str:
    if isinstance(section, UnjudgedSection):
        return f"Not judged: {section.reason}."
    windows = counted(len(section.windows), "window")
    match section.status:
        case RmtStatus.UNMEASURED:
            return f"Not judged: {_fatal_text(section)}."
        case RmtStatus.UNSTABLE:
            beyond = listed([family.value for family in section.epsilon_violations])
            return f"{_EDGE_RISK} left its band in {beyond}, on {windows}."
        case RmtStatus.STABLE:
            return f"{_EDGE_RISK} stays in its band in every family, on {windows}."


def _fatal_text(section: GuardOutcome) -> str:
    fatal = [each.message for each in section.violations if each.severity is Severity.FATAL]
    more = f"; and {len(fatal) - _SHOWN} more" if len(fatal) > _SHOWN else ""
    return "; ".join(fatal[:_SHOWN]) + more


def _rmt_comparisons(section: RmtSection | UnjudgedSection) -> Iterator[Comparison]:
    if isinstance(section, UnjudgedSection):
        return
    for family in (each for each in Family if each in section.families):
        edge = section.families[family]
        yield Comparison(
            what=f"{family.value}: edge risk",
            value=edge.edge_cur,
            relation=Relation.AT_MOST,
            limit=edge.allowed,
            holds=edge.edge_cur <= edge.allowed,
            note=f"baseline {number(edge.edge_base)}, ratio {number(edge.ratio)}, epsilon {number(edge.epsilon)}"
            + "".join(
                f"; {each.module}"
                for each in section.violations
                if each.family is family and each.severity is Severity.FATAL and each.module
            ),
        )


def explain_variance(report: EvaluationReport) -> Information:
    """``variance``: whether equalizing branches would help. Never a gate."""
    section = report.variance
    return Information(
        title="Variance equalization",
        finding=_variance_finding(section),
        notes=_notes(section),
        settings=settings_of(report, "variance") if isinstance(section, VarianceSection) else (),
    )


def _variance_finding(section: VarianceSection | UnjudgedSection) -> str:
    if isinstance(section, UnjudgedSection):
        return f"Not tried: {section.reason}."
    gate, targets = section.predictive_gate, counted(len(section.target_modules), "branch", "branches")
    decided = "Worth enabling" if section.enabled else "Not worth enabling"
    gain = "" if gate.mean_delta is None else f" Mean gain {number(-gate.mean_delta)} nats per token"
    windows = f" over {counted(gate.windows, 'window')}." if gain else ""
    return f"{decided} ({targets} scaled): {_GATE_WORDS[gate.reason]}.{gain}{windows}"


def _notes(section: GuardOutcome, *, but: Severity | None = None) -> tuple[str, ...]:
    """What was found, the worst first, and what the numbers cannot show. but: findings that are told elsewhere."""
    if isinstance(section, UnjudgedSection):
        return section.diagnostics  # the finding says the reason
    told = (violation for violation in section.violations if violation.severity is not but)
    found = sorted(told, key=lambda violation: violation.severity is not Severity.FATAL)
    more = len(found) - _SHOWN
    rest = (f"and {counted(more, 'finding')} more in the report",) if more > 0 else ()
    return (*(violation.message for violation in found[:_SHOWN]), *rest, *section.diagnostics)
