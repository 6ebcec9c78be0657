"""``calibration.html``: what a full calibration recommends, what it rests on, and the pictures, in one file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from markupsafe import Markup

from invarlock.policy.diff import Direction
from invarlock.policy.key_document import value_text
from invarlock.reports.full_files import PATCH, REPORT
from invarlock.reports.full_parts import FullPart, FullParts
from invarlock.reports.full_report import FullReport, Recommendation
from invarlock.reports.html_page import (
    Column,
    Content,
    Tone,
    badge,
    command,
    element,
    facts,
    fold,
    items,
    link,
    page,
    section,
    table,
    wide_figure,
)
from invarlock.reports.inline_svg import embedded_svg
from invarlock.reports.sweep_files import plan_text
from invarlock.reports.window_plan_report import WindowPlanReport

_TONES = {
    Direction.LOOSENING: Tone.WARN,
    Direction.TIGHTENING: Tone.GOOD,
    Direction.NEUTRAL: Tone.QUIET,
}
_WORDS = {
    Direction.LOOSENING: "loosens",
    Direction.TIGHTENING: "tightens",
    Direction.NEUTRAL: "neither",
}


def full_page(report: FullReport, parts: FullParts, pictures: Mapping[str, Mapping[str, str]]) -> str:
    """The page. pictures: by folder of a part, SVG files by name. Equal input gives equal bytes."""
    options = report.config
    return page(
        f"Calibration of {options.model}",
        element("p", "InvarLock calibration", kind="eyebrow"),
        element("h1", f"Calibration of {options.model}"),
        _banner(report.recommendations),
        facts(
            {
                "model": f"{options.model} ({options.basis})",
                "edit": f"{options.edit}: {plan_text(options.edit_plan)}",
                "null runs": options.null,
                "profile": options.profile,
                "seeds": " ".join(map(str, options.seeds)),
                "tiers": ", ".join(options.tiers),
            }
        ),
        section("What it recommends", *_recommendations(report)),
        *(
            section(part.title, *_part(folder, part, pictures[folder], parts))
            for folder, part in report.parts.items()
        ),
        element(
            "footer", f"Run {report.run_key}, made against tiers.yaml with SHA-256 {report.tiers_sha256}."
        ),
    )


def _banner(changes: Sequence[Recommendation]) -> Markup:
    unsupported = sum(not change.supported for change in changes)
    counts = [
        f"{sum(change.direction is direction for change in changes)} {words}"
        for direction, words in ((Direction.LOOSENING, "loosen"), (Direction.TIGHTENING, "tighten"))
    ]
    if not changes:
        said = "Every recommended value is in force already."
    elif unsupported:
        said = (
            f"{unsupported} rest on too few runs to support their target: what each would take is said below."
        )
    else:
        said = "The runs support every new value."
    head = element("strong", f"{len(changes)} values to change: {', '.join(counts)}")
    return element("div", head, said, kind=f"banner {Tone.WARN if unsupported else Tone.GOOD}")


def _recommendations(report: FullReport) -> Iterator[Content]:
    columns = [Column("key"), Column("value", number=True), Column("the gate")]
    for tier, changes in groupby(report.recommendations, key=lambda change: change.tier):
        yield table(tier.value, columns, map(_row, changes))
    yield element(
        "p",
        f"{report.kept} more values of the patch are those in force. A patch is for review, not yet policy:",
    )
    yield command(f"invarlock policy diff configs/runtime/tiers.yaml {PATCH}")
    yield element("p", link(PATCH, PATCH), " · ", link(REPORT, REPORT))


def _row(change: Recommendation) -> Sequence[Content]:
    key = change.path.removeprefix(f"{change.tier.value}.")
    supported = badge("supported", Tone.GOOD) if change.supported else badge("unsupported", Tone.WARN)
    return (
        element("span", Markup("<wbr>").join(_pieces(key)), kind="tight"),
        element("span", value_text(change.old), " → ", element("b", value_text(change.new)), kind="tight"),
        element(
            "span", badge(_WORDS[change.direction], _TONES[change.direction]), " ", supported, kind="tight"
        ),
    )


def _pieces(key: str) -> list[str]:
    """Where a long key may be broken: after its dots."""
    return re.findall(r"[^.]+\.?", key)


def _part(folder: str, part: FullPart, pictures: Mapping[str, str], parts: FullParts) -> Iterator[Content]:
    yield element("p", part.scope, kind="muted")
    yield items(
        Markup("{}: {}").format(element("b", ", ".join(tiers)), said)
        for said, tiers in _by_statement(part.statements).items()
    )
    if folder == "window_plan":
        yield _windows(parts.window_plan)
    for name, svg in pictures.items():
        title = name.replace("_", " ").capitalize()
        yield wide_figure(title, embedded_svg(svg, f"{folder}-{name}", title))
    if part.notes:
        yield fold("What the patch says of support", items(part.notes))
    files = [part.summary, part.report, *([part.patch] if part.patch else [])]
    yield element(
        "p", Markup(" · ").join(link(name.rpartition("/")[2], name) for name in files), kind="muted"
    )


def _windows(report: WindowPlanReport) -> Markup:
    profiles = list(next(iter(report.summaries.values())).profiles)
    columns = [
        Column("tier"),
        *(Column(name, number=True) for name in ("σ", "floor", "recommended", *profiles)),
    ]
    rows = [
        (
            tier,
            f"{plan.sigma_hat:.3g}",
            str(plan.floor),
            f"{plan.recommended.windows:,}" + ("" if plan.attainable else " (more than the data have)"),
            *(f"±{plan.profiles[name].half_width:.2g}" for name in profiles),
        )
        for tier in report.config.tiers
        if (plan := report.summaries[tier])
    ]
    return table(
        f"Final windows for ±{report.config.target_half_width:g} nats per token, and the half-width by profile",
        columns,
        rows,
    )


def _by_statement(statements: Mapping[str, str]) -> Mapping[str, Sequence[str]]:
    tiers: dict[str, list[str]] = {}
    for tier, said in statements.items():
        tiers.setdefault(said, []).append(tier)
    return tiers
