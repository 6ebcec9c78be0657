"""``invarlock promote list``, ``show`` and ``diff``: what a reviewer reads."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from invarlock.cli.console import out
from invarlock.cli.promote_options import AsJson, RequestId
from invarlock.files import write_atomic
from invarlock.promotion.turn import turn
from invarlock.promotion.verify_history import broken_chain, broken_history


def list_requests(as_json: AsJson = False) -> None:
    """List every request, the newest last, with how far it is.

    Exit codes: 0; 1 when one cannot be read or the history is broken, which is told below the others.

    Example:  invarlock promote list
    """
    from invarlock.cli.promotion_view import show_requests
    from invarlock.promotion.shown_state import shown_state

    with turn() as store:
        broken = broken_chain(store)
        requests, damaged = store.requests()
        listed = [(shown_state(store, each, now=datetime.now(UTC)), each) for each in requests]
    if as_json:
        said = [{"state": state.value} | each.model_dump(mode="json") for state, each in listed]
        unread = [{"state": "damaged", "where": error.where, "reason": error.what} for error in damaged]
        history = [{"state": "broken history", "where": str(store.files.history), "reason": str(broken)}]
        print(json.dumps(said + unread + (history if broken else []), indent=2))
    else:
        show_requests(listed)
        for error in damaged:
            out.print(f"[bold red]damaged[/] {escape(str(error))}", soft_wrap=True)
        if broken:
            out.print(f"[bold red]broken[/] {escape(str(broken_history(store, broken)))}", soft_wrap=True)
    raise typer.Exit(1 if damaged or broken else 0)


def show(request_id: RequestId, as_json: AsJson = False) -> None:
    """Show a request: every change with its evidence, every check, the back-test, and what was done since.

    Example:  invarlock promote show 1f2e3d4c5b6a7988
    """
    from invarlock.cli.promotion_view import show_request
    from invarlock.promotion.shown_request import shown_request

    with turn() as store:
        shown = shown_request(store, store.request(request_id), now=datetime.now(UTC))
    if as_json:
        print(json.dumps(shown.model_dump(mode="json"), indent=2))
    else:
        show_request(shown)


def diff(
    request_id: RequestId,
    html: Annotated[Path | None, typer.Option(help="Write the review as a page to this file.")] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the review as Markdown.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what a request changes: value by value, and line by line in tiers.yaml.

    Example:  invarlock promote diff 1f2e3d4c5b6a7988 --html review.html
    """
    from invarlock.cli.promotion_view import show_difference
    from invarlock.promotion.review_page import review_html
    from invarlock.promotion.review_text import review_markdown
    from invarlock.promotion.shown_request import changed_lines, shown_request

    with turn() as store:
        request = store.request(request_id)
        shown = shown_request(store, request, now=datetime.now(UTC))
        lines = changed_lines(store, request)
    if as_json:
        changes = [each.change.model_dump(mode="json") for each in shown.review.changes]
        print(json.dumps({"changes": changes, "lines": lines}, indent=2))
    elif html is not None:
        write_atomic(html, review_html(shown.review, lines).encode())
        print(html)
    elif markdown:
        print(review_markdown(shown.review, lines))
    else:
        show_difference(shown, lines)
