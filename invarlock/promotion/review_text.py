"""A review as Markdown, for Prefect and MLflow, and as a page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from invarlock.policy.diff import Direction
from invarlock.policy.key_document import value_text
from invarlock.promotion.backtest import Rejudged
from invarlock.promotion.review import Review, ReviewedChange, back_test_text, change_text
from invarlock.reports.html_page import (
    Column,
    Content,
    Tone,
    badge,
    element,
    facts,
    items,
    page,
    section,
    table,
)
from invarlock.reports.number_text import counted

_TONES = {
    Direction.LOOSENING: Tone.WARN,
    Direction.TIGHTENING: Tone.GOOD,
    Direction.NEUTRAL: Tone.QUIET,
}
_CHANGES = ("key", "old", "new", "change", "direction", "evidence")
_CHECKS = ("check", "holds", "finding")
_FLIPS = ("evaluation", "tier", "in force", "candidate", "gates")


def review_markdown(review: Review) -> str:
    """The whole review. What people wrote is shown as they wrote it, and can be no markup."""
    return "\n".join(
        [
            f"# {_title(review)}",
            "",
            *(f"- {name}: {plain(value)}" for name, value in _facts(review).items()),
            "",
            "## Changes",
            "",
            *_table(_CHANGES, [_change_cells(each) for each in review.changes]),
            "",
            *(f"- {plain(statement)}" for statement in _statements(review)),
            "",
            "## Checks",
            "",
            *_table(_CHECKS, [(c.name, "yes" if c.passed else "NO", c.reason) for c in review.checks]),
            "",
            "## Back-test",
            "",
            back_test_text(review.back_test),
            "",
            *(_table(_FLIPS, map(_flip_cells, flips)) if (flips := _flips(review)) else []),
        ]
    )


def review_html(review: Review) -> str:
    """The same as a page of one file."""
    verdict = badge("ready for approval", Tone.GOOD) if review.passed else badge("refused", Tone.BAD)
    return page(
        _title(review),
        element("h1", _title(review)),
        element("p", verdict),
        facts(_facts(review)),
        section(
            "Changes",
            table("What would change", _columns(_CHANGES), map(_change_row, review.changes)),
            items(_statements(review)),
        ),
        section(
            "Checks",
            table(
                "What was checked",
                _columns(_CHECKS),
                [
                    (c.name, badge("holds", Tone.GOOD) if c.passed else badge("fails", Tone.BAD), c.reason)
                    for c in review.checks
                ],
            ),
        ),
        section(
            "Back-test",
            element("p", back_test_text(review.back_test)),
            table("Verdicts that would change", _columns(_FLIPS), map(_flip_cells, _flips(review)))
            if _flips(review)
            else "",
        ),
    )


def _title(review: Review) -> str:
    return f"{review.kind.capitalize()} {review.request_id}"


def _facts(review: Review) -> dict[str, Content]:
    found: dict[str, Content] = {
        "requested by": review.requester,
        "at": review.created_at.isoformat(),
        "because": review.reason,
    }
    if review.allow_large is not None:
        found["large changes allowed because"] = review.allow_large
    if review.run is not None:
        found |= {"MLflow run": review.run.mlflow_run_id, "run key": review.run.run_key}
    changed = "patch sha256" if review.kind == "promotion" else "version that comes back"
    return found | {changed: review.change_sha256, "policy in force": review.base_sha256}


def _change_cells(each: ReviewedChange) -> tuple[str, ...]:
    change = each.change
    return (
        change.path,
        value_text(change.old),
        value_text(change.new),
        change_text(change),
        change.direction.value,
        evidence_text(each),
    )


def _change_row(each: ReviewedChange) -> tuple[Content, ...]:
    path, old, new, change, direction, evidence = _change_cells(each)
    return (
        element("code", path), old, new, change, badge(direction, _TONES[each.change.direction]), evidence,
    )  # fmt: skip


def evidence_text(each: ReviewedChange) -> str:
    """What a change rests on, in short; empty for a rollback."""
    if each.basis is None:
        return ""
    counts = f"{each.basis.sweep}, {counted(each.basis.n_runs, 'run')}, {each.basis.n_effective} independent"
    return counts if each.unsupported is None else f"UNSUPPORTED: {each.unsupported} ({counts})"


def _statements(review: Review) -> list[str]:
    return [f"{basis.tier.value}, {basis.sweep}: {basis.statement}" for basis in review.bases]


def _flips(review: Review) -> tuple[Rejudged, ...]:
    return () if review.back_test is None else review.back_test.flips


def _flip_cells(flip: Rejudged) -> tuple[str, ...]:
    name = f"{flip.name} (known fault)" if flip.planted_fault else flip.name
    return name, flip.tier.value, flip.in_force.value, flip.candidate.value, ", ".join(flip.gates)


def _columns(names: Sequence[str]) -> tuple[Column, ...]:
    return tuple(Column(name, number=name in ("old", "new", "change")) for name in names)


def _table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(map(plain, row))} |" for row in rows]
    return [f"| {' | '.join(names)} |", "|" + "---|" * len(names), *lines]


def plain(text: str) -> str:
    """``text`` on one line, none of it markup: Prefect's pages render Markdown and the HTML in it."""
    return re.sub(r"([\\`*_{}\[\]<>()#+!|~&-])", r"\\\1", " ".join(text.split()))
