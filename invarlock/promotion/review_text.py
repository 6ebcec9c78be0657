"""A review in words and as Markdown: for Prefect's pages and forms, for MLflow, and for whoever prints it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from invarlock.policy.key_document import value_text
from invarlock.promotion.backtest import Rejudged
from invarlock.promotion.review import Review, ReviewedChange, back_test_text, change_text
from invarlock.reports.number_text import counted
from invarlock.reports.time_text import utc_text

UNSUPPORTED = "UNSUPPORTED"
CHANGES = ("key", "old", "new", "change", "direction", "evidence")
CHECKS = ("check", "holds", "finding")
FLIPS = ("evaluation", "tier", "in force", "candidate", "gates")
DIGITS = 12  # of a hash, where the whole one stands elsewhere


def review_markdown(review: Review, lines: Sequence[str]) -> str:
    """The whole review. What people wrote is shown as they wrote it, and can be no markup.

    lines: the unified diff of tiers.yaml, empty where there is none to show.
    """
    return "\n".join(
        [
            f"# {title(review)}",
            "",
            *_listed(facts(review)),
            "",
            "## Changes",
            "",
            *_table(CHANGES, [change_cells(each) for each in review.changes]),
            "",
            *(f"- {plain(line)}" for line in evidence_lines(review)),
            "",
            "## Checks",
            "",
            *_table(CHECKS, [(c.name, "yes" if c.passed else "NO", c.reason) for c in review.checks]),
            "",
            "## Back-test",
            "",
            back_test_text(review.back_test),
            "",
            *(_table(FLIPS, map(flip_cells, found)) if (found := flips(review)) else []),
            *_lines_section(lines),
            "",
            "## Hashes",
            "",
            *_listed(hashes(review)),
        ]
    )


def form_markdown(review: Review) -> str:
    """For a narrow box that shows a few lines before it scrolls: what changes, what was found, then the rest."""
    return "\n".join(
        [
            *(f"- {_change_line(each)}" for each in review.changes),
            "",
            f"**{checks_text(review)}** {back_test_text(review.back_test)}",
            "",
            *(f"- {plain(', '.join(flip_cells(flip)))}" for flip in flips(review)),
            "",
            *_listed(facts(review)),
            "",
            *(f"- {plain(line)}" for line in evidence_lines(review)),
            "",
            *(f"- {check.name}: {plain(check.reason)}" for check in review.checks),
        ]
    )


def title(review: Review) -> str:
    """What is asked for."""
    return f"{review.kind.capitalize()} {review.request_id}"


def facts(review: Review) -> dict[str, str]:
    """Who asks for what, with the beginnings of :func:`hashes`."""
    found = {
        "requested by": review.requester,
        "at": utc_text(review.created_at),
        "because": review.reason,
    }
    if review.allow_large is not None:
        found["large changes allowed because"] = review.allow_large
    return found | {name: whole[:DIGITS] for name, whole in hashes(review).items()}


def hashes(review: Review) -> dict[str, str]:
    """What the request is bound to, whole."""
    run = review.run
    found = {} if run is None else {"MLflow run": run.mlflow_run_id, "run key": run.run_key}
    changed = "patch sha256" if review.kind == "promotion" else "version that comes back"
    return found | {changed: review.change_sha256, "policy in force": review.base_sha256}


def change_cells(each: ReviewedChange) -> tuple[str, ...]:
    """A row of :data:`CHANGES`."""
    change = each.change
    return (
        change.path,
        value_text(change.old),
        value_text(change.new),
        change_text(change),
        change.direction.value,
        mark(each),
    )


def mark(each: ReviewedChange) -> str:
    """Whether the runs support a change; empty for a rollback. Why, and which runs, is in :func:`evidence_lines`."""
    if each.basis is None:
        return ""
    return "supported" if each.unsupported is None else UNSUPPORTED


def evidence_lines(review: Review) -> list[str]:
    """What the changes rest on, once for each sweep and tier, and what it does not support."""
    told = []
    for basis in review.bases:
        name = f"{basis.tier.value}, {basis.sweep}"
        each = "censored sample" if basis.of_samples else "run"
        counts = f"{counted(basis.n_runs, each)}, {basis.n_effective} independent"
        told.append(f"{name}: {counts}. {basis.statement}")
        whys = (each.unsupported for each in review.changes if each.basis == basis)
        told += [f"{name}: {UNSUPPORTED}: {why}" for why in dict.fromkeys(filter(None, whys))]
    return told


def checks_text(review: Review) -> str:
    """The checks in a sentence."""
    failed = [check.name for check in review.checks if not check.passed]
    if failed:
        return f"{counted(len(failed), 'check')} failed: {', '.join(failed)}."
    return f"{counted(len(review.checks), 'check')} passed." if review.checks else "Not checked yet."


def flips(review: Review) -> tuple[Rejudged, ...]:
    """The verdicts that would change."""
    return () if review.back_test is None else review.back_test.flips


def flip_cells(flip: Rejudged) -> tuple[str, ...]:
    """A row of :data:`FLIPS`."""
    name = f"{flip.name} (known fault)" if flip.planted_fault else flip.name
    return name, flip.tier.value, flip.in_force.value, flip.candidate.value, ", ".join(flip.gates)


def plain(text: str) -> str:
    """``text`` on one line, none of it markup: Prefect's pages render Markdown and the HTML in it."""
    return re.sub(r"([\\`*_{}\[\]<>()#+!|~&-])", r"\\\1", " ".join(text.split()))


def _change_line(each: ReviewedChange) -> str:
    change = each.change
    values = plain(f"{value_text(change.old)} → {value_text(change.new)}")
    unsupported = f" **{UNSUPPORTED}**" if each.unsupported else ""
    return f"`{change.path}` **{values}** {change_text(change)} {change.direction.value}{unsupported}"


def _listed(entries: Mapping[str, str]) -> list[str]:
    return [f"- {name}: {plain(value)}" for name, value in entries.items()]


def _lines_section(lines: Sequence[str]) -> list[str]:
    """The fence is longer than any in the file: comments of people stand there."""
    if not lines:
        return []
    fence = "`" * (1 + max(2, *(len(run) for line in lines for run in re.findall("`+", line) or [""])))
    return ["", "## Lines of tiers.yaml", "", f"{fence}diff", *lines, fence]


def _table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    body = [f"| {' | '.join(map(plain, row))} |" for row in rows]
    return [f"| {' | '.join(names)} |", "|" + "---|" * len(names), *body]
