"""What to do after an evaluation, as plain sentences in the order of use."""

from __future__ import annotations

from collections.abc import Iterator

from invarlock.gates.primary_metric import Finding
from invarlock.guards.report import Severity
from invarlock.reports.evaluation_report import EvaluationReport, Outcome
from invarlock.reports.evaluation_sections import RmtSection, UnjudgedSection
from invarlock.reports.number_text import listed

_REPAIR = (
    "Repair or re-export the subject: a broken invariant means that it is no longer the same architecture."
)
_DAMAGE = "Do not use this subject. Check the weights that the findings name, and how they were written."
_CAPS = (
    "If an edit that you trust fails here, the caps may not be this model's: measure them from harmless edits with "
    "invarlock calibrate null-sweep, and review the patch. Do not raise a cap to make one edit pass."
)
_BANDS = (
    "Whether harmless edits of this model leave the band too: invarlock calibrate rmt-sweep --null benign. "
    "Do not widen a band to make one edit pass."
)
_WIDE = (
    "More windows narrow the interval: try --profile release. "
    "If it still reaches beyond the limit, use a gentler edit."
)
_GENTLER = "Use a gentler edit: more bits, fewer layers, or leave out the modules that the guards name."


def next_steps(report: EvaluationReport) -> tuple[str, ...]:
    """At least one sentence."""
    return tuple(_steps(report))


def _steps(report: EvaluationReport) -> Iterator[str]:
    if report.verdict.outcome is Outcome.ABORTED:
        yield _DAMAGE
    else:
        yield from _mend(report)
    if report.verdict.underpowered:
        yield (
            f"Too little evidence ({listed(report.verdict.underpowered)}): evaluate more windows, with --profile ci "
            "or release; invarlock calibrate window-plan says how many."
        )
    if report.verdict.outcome is Outcome.PASS:
        yield "Keep this folder: invarlock report verify evaluation.report.json recomputes every number in it."


def _mend(report: EvaluationReport) -> Iterator[str]:
    flags, gate = report.validation, report.primary_metric_gate
    if not flags.invariants_pass:
        yield _REPAIR
    if gate is not None and not gate.finding.good:
        yield _WIDE if gate.finding is Finding.CI_ABOVE_LIMIT else _GENTLER
    if not flags.primary_metric_tail_acceptable:
        yield "Read the text of the worst windows: an average hides what the edit does to them."
    if not flags.preview_final_drift_acceptable:
        yield "Compare the losses of preview and final windows: the edit harms the one and not the other."
    if not flags.spectral_stable and not isinstance(report.spectral, UnjudgedSection):
        yield _CAPS
    if isinstance(report.rmt, RmtSection) and report.rmt.epsilon_violations:
        yield _softer(report.rmt)
        yield _BANDS


def _softer(rmt: RmtSection) -> str:
    worst = [each.module for each in rmt.violations if each.severity is Severity.FATAL and each.module]
    return (
        "The edit gives activations a structure that the baseline's have not, so the model may behave otherwise on "
        f"other text: use a gentler edit at and before {listed(worst)}, or leave those layers out."
    )
