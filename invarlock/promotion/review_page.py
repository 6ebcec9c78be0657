"""A review as a page of one file."""

from __future__ import annotations

from collections.abc import Sequence

from invarlock.policy.diff import Direction
from invarlock.promotion.policy_checks import PolicyCheck
from invarlock.promotion.review import Review, ReviewedChange, back_test_text
from invarlock.promotion.review_text import (
    CHANGES,
    CHECKS,
    FLIPS,
    change_cells,
    evidence_lines,
    facts,
    flip_cells,
    flips,
    hashes,
    title,
)
from invarlock.reports import html_page
from invarlock.reports.html_page import (
    Column,
    Content,
    Tone,
    badge,
    element,
    fold,
    items,
    page,
    section,
    table,
)

_TONES = {
    Direction.LOOSENING: Tone.WARN,
    Direction.TIGHTENING: Tone.GOOD,
    Direction.NEUTRAL: Tone.QUIET,
}
_SIDES = {"+": "added", "-": "removed", "@": "muted"}


def review_html(review: Review, lines: Sequence[str]) -> str:
    """What :func:`review_markdown` says."""
    return page(
        title(review),
        element("h1", title(review)),
        element("p", _standing(review)),
        html_page.facts(facts(review)),
        fold("Hashes in full", html_page.facts(hashes(review))),
        section(
            "Changes",
            table("What would change", _columns(CHANGES), map(_change_row, review.changes)),
            items(evidence_lines(review)),
        ),
        section("Checks", table("What was checked", _columns(CHECKS), map(_check_row, review.checks))),
        section(
            "Back-test",
            element("p", back_test_text(review.back_test)),
            table("Verdicts that would change", _columns(FLIPS), map(flip_cells, flips(review)))
            if flips(review)
            else "",
        ),
        section("Lines of tiers.yaml", _difference(lines)) if lines else "",
    )


def _standing(review: Review) -> Content:
    if not review.checks:
        return badge("not checked", Tone.QUIET)
    return badge("ready for approval", Tone.GOOD) if review.passed else badge("refused", Tone.BAD)


def _change_row(each: ReviewedChange) -> tuple[Content, ...]:
    path, old, new, change, direction, evidence = change_cells(each)
    return (
        element("code", path),
        old,
        new,
        change,
        badge(direction, _TONES[each.change.direction]),
        badge(evidence, Tone.WARN) if each.unsupported else evidence,
    )


def _check_row(check: PolicyCheck) -> tuple[Content, ...]:
    holds = badge("holds", Tone.GOOD) if check.passed else badge("fails", Tone.BAD)
    return check.name, holds, check.reason


def _difference(lines: Sequence[str]) -> Content:
    shown = [element("span", f"{line}\n", kind=_SIDES.get(line[:1], "")) for line in lines]
    return element("pre", element("code", *shown), kind="difference")


def _columns(names: Sequence[str]) -> tuple[Column, ...]:
    return tuple(
        Column(name, number=name in ("old", "new", "change"), wraps=name in ("finding", "gates"))
        for name in names
    )
