"""Tables of an evaluation's page: windows, invariants, variance equalization."""

from __future__ import annotations

from markupsafe import Markup

from invarlock.metrics.paired_windows import pair_losses
from invarlock.reports.evaluation_gates import settings
from invarlock.reports.evaluation_report import EvaluationReport
from invarlock.reports.evaluation_run import EvaluationRun
from invarlock.reports.evaluation_sections import InvariantsSection, UnjudgedSection, VarianceSection
from invarlock.reports.explanation import Information
from invarlock.reports.html_page import Column, Content, Tone, badge, element, facts, items, section, table
from invarlock.reports.module_tables import MOST, numbers, plain
from invarlock.reports.number_text import counted, number


def windows(report: EvaluationReport, baseline: EvaluationRun, subject: EvaluationRun) -> Markup:
    """How the windows were paired, and which got worse most."""
    data, stats = report.dataset, report.dataset.windows.stats
    shown: dict[str, Content] = {
        "data": data.provider,
        "tokens a window": str(data.seq_len),
        "preview, final windows": f"{data.preview_windows}, {data.final_windows}",
    }
    if stats is not None:
        shown |= {
            "the tier asks for": f"{stats.floor} of each at least",
            "windows of the data set": f"{stats.available:,}",
            "paired": f"{stats.match_fraction:.1%}",
            "met twice": f"{stats.overlap_fraction:.1%}",
        }
    return section("Windows", facts(shown), _worst_windows(baseline, subject))


def invariants(found: InvariantsSection) -> Markup:
    """Each check, and what it found."""
    rows = [
        (name.replace("_", " "), badge("holds", Tone.GOOD) if held else badge("broken", Tone.BAD))
        for name, held in found.checks.items()
    ]
    return section("Invariants", table("What must not change", (Column("check"), Column("found")), rows))


def variance(found: VarianceSection | UnjudgedSection, explained: Information) -> Markup:
    """Whether variance equalization would help the subject; it is never applied here."""
    told = [element("p", explained.finding), items(explained.notes), settings(explained.settings)]
    if isinstance(found, UnjudgedSection):
        return section(explained.title, *told)
    gate = found.predictive_gate
    entries: dict[str, Content] = {"windows": str(gate.windows)}
    if gate.mean_delta is not None and gate.delta_ci is not None:
        low, high = gate.delta_ci
        entries["change of loss, nats per token"] = (
            f"{number(gate.mean_delta)} ({number(low)} to {number(high)})"
        )
    if found.edit_cost is not None:
        entries["cost of the edit, nats per token"] = number(found.edit_cost)
    scales = [(element("code", module), number(factor)) for module, factor in found.proposed_scales.items()]
    proposed = table("Proposed scales", (Column("module"), Column("factor", number=True)), scales)
    return section(explained.title, *told, facts(entries), proposed if scales else "")


def _worst_windows(baseline: EvaluationRun, subject: EvaluationRun) -> Markup:
    if baseline.windows is None or subject.windows is None:
        return Markup()
    ours = subject.windows.final
    deltas = pair_losses(ours, baseline.windows.final, arms=("subject", "baseline")).deltas
    worse = [(delta, loss) for delta, loss in zip(deltas, ours, strict=True) if delta > 0]
    if not worse:
        return element("p", "No final window got worse.")
    rows = [
        (element("code", loss.window_id), str(loss.tokens), *plain(loss.nll / loss.tokens, delta))
        for delta, loss in sorted(worse, key=lambda entry: -entry[0])[:MOST]
    ]
    title = f"{len(rows)} of {counted(len(worse), 'final window')} that got worse, nats per token, the worst first"
    return table(title, (Column("window"), *numbers("tokens", "loss", "change")), rows)
