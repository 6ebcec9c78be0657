"""The pictures of an evaluation's page, each with what it shows in words; where there is nothing to draw, why."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from invarlock.guards.spectral_metrics import JudgedModule
from invarlock.metrics.paired_windows import pair_losses
from invarlock.reports.delta_plot import plot_deltas
from invarlock.reports.edge_plot import plot_edges
from invarlock.reports.evaluation_report import EvaluationReport
from invarlock.reports.evaluation_run import EvaluationRun
from invarlock.reports.evaluation_sections import RmtSection, SpectralSection
from invarlock.reports.html_page import element, figure, section
from invarlock.reports.interval_plot import plot_interval
from invarlock.reports.module_z_plot import DOTS, plot_module_z

_NUMBERED = 4  # modules that a picture names


def pictures(report: EvaluationReport, baseline: EvaluationRun, subject: EvaluationRun) -> Markup:
    """Metric, windows, spectra, activations: in the order of the gates."""
    shown = (
        _metric(report),
        _windows(report, baseline, subject),
        _spectra(report),
        _activations(report),
    )
    return section("Pictures", element("div", *shown, kind="grid"))


def closest_to_cap(section: SpectralSection, count: int) -> Sequence[JudgedModule]:
    """The modules whose |z| is farthest above their family's kappa, or least below it."""

    def beyond(module: JudgedModule) -> float:
        return abs(module.z) - section.families[module.family].kappa

    return sorted(section.modules, key=beyond, reverse=True)[:count]


def _metric(report: EvaluationReport) -> Markup:
    title = "Primary metric against its limit"
    if report.primary_metric_gate is None:
        return _nothing(title, "the primary metric was not judged: a model has no usable losses")
    return figure(
        title,
        plot_interval(report.primary_metric_gate),
        "The point is what was measured on the final windows, the bar its 95 % interval. "
        "To the right of the limit a perplexity fails; so does an interval that reaches there."
        if report.primary_metric and report.primary_metric.kind != "accuracy"
        else "The point is what was measured on the final windows, the bar its 95 % interval. "
        "To the left of the limit an accuracy fails; its interval does not count.",
    )


def _windows(report: EvaluationReport, baseline: EvaluationRun, subject: EvaluationRun) -> Markup:
    title = "Change of loss by window"
    tail = report.primary_metric_tail
    if tail is None or baseline.windows is None or subject.windows is None:
        return _nothing(title, "a model has no losses to compare window by window")
    pairs = pair_losses(subject.windows.final, baseline.windows.final, arms=("subject", "baseline"))
    worse = sum(delta > tail.policy.epsilon for delta in pairs.deltas)
    return figure(
        title,
        plot_deltas(pairs.deltas, tail.stats, tail.policy),
        f"{worse} of {tail.stats.windows} final windows got worse; the worst by {tail.stats.largest:.4g} nats per "
        f"token. The {tail.policy.quantile:g} quantile is {tail.stats.quantile_value:.4g}, at most "
        f"{tail.policy.quantile_max:g} is allowed.",
    )


def _spectra(report: EvaluationReport) -> Markup:
    title = "Where each matrix stands in its family"
    section = report.spectral
    if not isinstance(section, SpectralSection):
        return _nothing(title, section.reason)
    named = closest_to_cap(section, _NUMBERED)
    kappa = {family: each.kappa for family, each in section.families.items()}
    lines = [
        element(
            "li",
            element("code", module.name),
            f" |z| {abs(module.z):.3f}, cap {kappa[module.family]:g}",
            ": above it" if abs(module.z) > kappa[module.family] else "",
        )
        for module in named
    ]
    return figure(
        title,
        plot_module_z(section.modules, section.family_stats, kappa, named),
        "z says how far the largest singular value of a matrix is from the mean of its family in the baseline, in "
        "standard deviations.",
        f"Of a larger family {DOTS} modules are drawn, the largest |z| among them."
        if any(each.count > DOTS for each in section.families.values())
        else "",
        "Closest to their caps, or beyond:",
        element("ol", *lines),
    )


def _activations(report: EvaluationReport) -> Markup:
    title = "Edge risk of activations"
    section = report.rmt
    if not isinstance(section, RmtSection):
        return _nothing(title, section.reason)
    if not section.families:
        return _nothing(title, "; ".join(finding.message for finding in section.violations))
    return figure(
        title,
        plot_edges(section.families, section.modules),
        "A family is judged by the largest risk among its modules: it may rise by epsilon over the baseline's. "
        f"Measured on {len(section.windows)} windows.",
    )


def _nothing(title: str, reason: str) -> Markup:
    return element(
        "div", element("h3", title), element("p", f"Not drawn: {reason}.", kind="muted"), kind="card"
    )
