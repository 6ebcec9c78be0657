"""The page of an evaluation: verdict, gates, pictures, tables, where it all came from, how to check it. One file."""

from __future__ import annotations

from markupsafe import Markup

from invarlock.reports.evaluation_gates import WORDS, advice, banner, gates, head
from invarlock.reports.evaluation_origin import how_to_check, origin
from invarlock.reports.evaluation_pictures import pictures
from invarlock.reports.evaluation_report import EvaluationReport, Volatile
from invarlock.reports.evaluation_run import EvaluationRun
from invarlock.reports.evaluation_tables import invariants, variance, windows
from invarlock.reports.explain import explain
from invarlock.reports.html_page import element, page
from invarlock.reports.module_tables import activations, weights


def evaluation_html(
    report: EvaluationReport, baseline: EvaluationRun, subject: EvaluationRun, caution: str = ""
) -> str:
    """The page. Equal records give equal bytes; what differs between two runs of one evaluation is its last lines.

    baseline, subject: the two runs that ``report`` compares; caution: what to say first.
    """
    explained = explain(report, caution)
    return page(
        f"{WORDS[explained.outcome]}: {report.subject_ref.id} against {report.baseline_ref.id}",
        head(explained),
        banner(explained),
        advice(explained),
        gates(explained),
        pictures(report, baseline, subject),
        weights(report.spectral),
        activations(report.rmt),
        windows(report, baseline, subject),
        invariants(report.invariants),
        variance(report.variance, explained.variance),
        origin(report),
        how_to_check(),
        _foot(report.volatile),
    )


def _foot(volatile: Volatile | None) -> Markup:
    if volatile is None:
        return Markup()
    work = volatile.work
    return element(
        "footer",
        f"Made {volatile.generated_at} on {work.host} in {sum(work.seconds.values()):.1f} s with "
        f"{work.forward_passes:g} forward passes; MLflow run {work.mlflow_run_id}.",
    )
