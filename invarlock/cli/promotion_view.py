"""Requests and their reviews on the terminal, and what to do next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby

from rich import box
from rich.markup import escape
from rich.table import Table

from invarlock.cli.console import out
from invarlock.cli.policy import direction_text
from invarlock.policy.key_document import value_text
from invarlock.policy.schema import Tier
from invarlock.promotion.promotion_result import PromotionResult
from invarlock.promotion.requests import Request, State
from invarlock.promotion.review import Review, ReviewedChange, back_test_text, change_text
from invarlock.promotion.review_text import UNSUPPORTED, evidence_lines
from invarlock.promotion.shown_request import ShownRequest
from invarlock.reports.time_text import utc_text

_COLOUR = {
    State.REQUESTED: "yellow",
    State.REFUSED: "bold red",
    State.CHECKED: "cyan",
    State.APPROVED: "green",
    State.STALE: "dim",
    State.REJECTED: "red",
    State.APPLIED: "bold green",
}
_KEY = 33  # characters of a key on one line
_LINES = {"+": "green", "-": "red", "@": "cyan"}


def show_requests(listed: Sequence[tuple[State, Request]]) -> None:
    """Two lines each."""
    if not listed:
        out.print("There are no requests. See invarlock promote request --help.")
        return
    for state, request in listed:
        directions = Counter(change.direction for change in request.changes)
        changes = ", ".join(f"{count} {direction_text(direction)}" for direction, count in directions.items())
        out.print(
            f"{request.id}  {_state(state)}  {utc_text(request.created_at)}  {request.kind} by "
            f"{escape(request.requester)}: {changes}\n    {escape(request.reason)}",
            soft_wrap=True,
        )


def show_request(shown: ShownRequest) -> None:
    """Everything about one."""
    _show_review(shown.review)
    for taken in shown.steps:
        until = f", until {utc_text(taken.until)}" if taken.until else ""
        told = f"{utc_text(taken.at)} {taken.step.value} by {taken.by}{until}: {taken.reason}"
        out.print(escape(told), soft_wrap=True)
        if taken.flaw is not None:
            out.print(f"  [yellow]does not count:[/] {escape(taken.flaw)}", soft_wrap=True)
    _show_next(shown.review.request_id, shown.state)


def show_difference(shown: ShownRequest, lines: Sequence[str]) -> None:
    """Value by value, and line by line."""
    _show_changes(shown.review)
    for line in lines:
        colour = _LINES.get(line[:1])
        out.print(f"[{colour}]{escape(line)}[/]" if colour else escape(line), soft_wrap=True)
    _show_next(shown.review.request_id, shown.state)


def show_result(result: PromotionResult, page: str | None) -> None:
    """How far a promotion came. page: of the flow run that waits for an approval, if any."""
    if result.entry is None and result.review is not None:
        _show_review(result.review)
    if result.entry is not None:
        event = result.entry.event
        out.print(
            f"[bold green]in force[/]: policy {event.to_sha256[:12]}, entry {result.entry.number} of the history"
        )
    if result.registered is not None:
        name = f"{result.registered.name} version {result.registered.version}, alias live"
        out.print(f"MLflow  {name}  {escape(result.registered.url)}", soft_wrap=True)
    if result.prefect_url is not None:
        out.print(f"Prefect {escape(result.prefect_url)}", soft_wrap=True)
    if page is not None:
        out.print(f"waiting {escape(page)}", soft_wrap=True)
    _show_next(result.request_id, result.state)


def _show_review(review: Review) -> None:
    title = (
        f"[bold]{review.kind} {review.request_id}[/] by {escape(review.requester)}: {escape(review.reason)}"
    )
    out.print(title, soft_wrap=True)
    if review.allow_large:
        out.print(f"large changes allowed: {escape(review.allow_large)}", soft_wrap=True)
    if review.run is not None:
        out.print(
            f"run {escape(review.run.mlflow_run_id)}  patch {review.change_sha256[:12]}", soft_wrap=True
        )
    _show_changes(review)
    for line in evidence_lines(review):
        out.print(f"[bold]evidence[/] {escape(line)}", soft_wrap=True)
    for check in review.checks:
        mark = "[green]holds[/]" if check.passed else "[bold red]FAILS[/]"
        out.print(f"{mark} {check.name}: {escape(check.reason)}", soft_wrap=True)
    if review.checks:
        out.print(back_test_text(review.back_test), soft_wrap=True)
    for flip in review.back_test.flips if review.back_test else ():
        fault = " [bold red](known fault)[/]" if flip.planted_fault else ""
        verdicts = f"{flip.in_force.value} → {flip.candidate.value}"
        out.print(f"  {escape(flip.name)}{fault} {flip.tier.value}: {verdicts} ({', '.join(flip.gates)})")


def _show_changes(review: Review) -> None:
    for tier, of_tier in groupby(review.changes, key=lambda each: each.change.tier):
        out.print(changes_table(tier, list(of_tier)))


def changes_table(tier: Tier, changes: Sequence[ReviewedChange]) -> Table:
    """Of 80 columns at most."""
    table = Table(title=tier.value, box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("key", no_wrap=True)
    for column in ("old", "new", "change"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("direction", no_wrap=True)
    for each in changes:
        change = each.change
        key = _folded(change.path.removeprefix(f"{tier.value}."))
        cells = map(escape, (key, value_text(change.old), value_text(change.new), change_text(change)))
        mark = f"\n[bold yellow]{UNSUPPORTED}[/]" if each.unsupported else ""
        table.add_row(*cells, direction_text(change.direction) + mark)
    return table


def _folded(key: str) -> str:
    """``key``, a long one on two lines, broken before its last part."""
    if len(key) <= _KEY:
        return key
    most, _, last = key.rpartition(".")
    return f"{most}\n  .{last}"


def _show_next(request_id: str, state: State) -> None:
    steps = {
        State.REQUESTED: f"invarlock promote apply {request_id}  goes on with the checks",
        State.REFUSED: f"invarlock promote apply {request_id}  checks it again; see above what failed",
        State.CHECKED: f"another person runs: invarlock promote approve {request_id} --reason WHY",
        State.APPROVED: f"invarlock promote apply {request_id}",
        State.STALE: "run the calibration again with --fresh, and request its patch",
        State.REJECTED: "request the change again, in other words, or leave it",
        State.APPLIED: "invarlock policy history; invarlock promote rollback --reason WHY  takes it back",
    }
    out.print(f"[{_COLOUR[state]}]{state.value}[/]. Next: [bold]{escape(steps[state])}[/]", soft_wrap=True)


def _state(state: State) -> str:
    return f"[{_COLOUR[state]}]{state.value}[/]"
