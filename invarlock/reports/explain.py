"""Why an evaluation came out as it did: every gate with value, limit and who set it (seed 002, design page 3)."""

from __future__ import annotations

from invarlock.reports.evaluation_report import DatasetSection, EvaluationReport, Outcome, VerdictBlock
from invarlock.reports.explain_guards import (
    explain_invariants,
    explain_rmt,
    explain_spectral,
    explain_variance,
)
from invarlock.reports.explain_metric import explain_metric
from invarlock.reports.explain_windows import explain_drift, explain_spike, explain_tail
from invarlock.reports.explanation import Explanation, GateExplanation, PolicyUsed
from invarlock.reports.next_steps import next_steps
from invarlock.reports.number_text import counted, listed


def explain(report: EvaluationReport, caution: str = "") -> Explanation:
    """The records that terminal, Markdown and page are made from. Everything else in them is in ``report``."""
    gates = (
        explain_metric(report),
        explain_tail(report),
        explain_drift(report),
        explain_invariants(report),
        explain_spectral(report),
        explain_rmt(report),
        explain_spike(report),
    )
    return Explanation(
        caution=caution,
        outcome=report.verdict.outcome,
        exit_code=report.verdict.exit_code,
        headline=_headline(report.verdict, gates),
        reasons=report.verdict.reasons,
        next_steps=next_steps(report),
        gates=gates,
        variance=explain_variance(report),
        baseline=report.baseline_ref,
        subject=report.subject_ref,
        edit=report.edit.name,
        data=_data(report.dataset),
        policy=PolicyUsed(
            tier=report.meta.tier,
            profile=report.meta.profile,
            assurance=report.terms.assurance.value,
            digest=report.policy_provenance.policy_digest,
            sha256=report.policy_provenance.policy_sha256,
        ),
        run_key=report.run_id,
    )


def _headline(verdict: VerdictBlock, gates: tuple[GateExplanation, ...]) -> str:
    failed = [gate.title for gate in gates if not gate.acceptable]
    weak = listed(verdict.underpowered)
    match verdict.outcome:
        case Outcome.PASS:
            return f"Every gate holds{f', but on too little evidence: {weak}' if weak else ''}."
        case Outcome.FAIL if not failed:
            return f"Every gate holds, but strict assurance does not accept too little evidence: {weak}."
        case Outcome.FAIL:
            return f"{counted(len(failed), 'gate')} of {len(gates)} failed: {listed(failed)}."
        case Outcome.ABORTED:
            unjudged = [gate.title for gate in gates if not gate.judged]
            return (
                f"No verdict: what these rest on could not be measured: {listed(unjudged)}."
                if unjudged
                else "The subject is damaged: nothing else about it is worth judging."
            )


def _data(data: DatasetSection) -> str:
    stats = data.windows.stats
    short = " (too few: a verdict on them is weak)" if stats is not None and stats.underpowered else ""
    return (
        f"{data.preview_windows} preview and {data.final_windows} final windows of {data.seq_len} tokens from "
        f"{data.provider}; the tier's floor is {data.window_floor} of each{short}"
    )
