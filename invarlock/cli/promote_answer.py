"""``invarlock promote approve`` and ``reject``: what a person answers."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from invarlock.cli.console import err, out
from invarlock.cli.environment import connect_if_running
from invarlock.cli.promote_options import AsJson, Name, Reason, RequestId
from invarlock.errors import StoreError
from invarlock.promotion.person import whoever_runs_this
from invarlock.promotion.request_store import RequestStore


def approve(
    request_id: RequestId,
    reason: Reason,
    name: Name = None,
    sign: Annotated[
        Path | None, typer.Option(help="SSH key to sign with; runtime/promotion.yaml may require it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Approve a request as it was made and checked. It expires; whoever requested it cannot approve it.

    Example:  invarlock promote approve 1f2e3d4c5b6a7988 --reason "evidence of 30 runs, no verdict flips"
    """
    from invarlock.promotion import approval
    from invarlock.promotion.checked import last_checked
    from invarlock.promotion.promotion_config import load_promotion_config

    store, now = RequestStore(), datetime.now(UTC)
    request, config = store.request(request_id), load_promotion_config(store.files)
    said = {"by": name or whoever_runs_this(), "reason": reason}
    draft = approval.draft_approval(request, last_checked(store, request_id), **said, at=now, config=config)
    kept = approval.approve(draft if sign is None else draft.signed(sign), config, now=now)
    woken = _tell_waiting(request_id, "approve", kept.by, kept.reason)
    if as_json:
        print(json.dumps(kept.model_dump(mode="json"), indent=2))
        return
    out.print(
        f"[green]approved[/] by {escape(kept.by)}, until {kept.expires_at:%Y-%m-%d %H:%M} UTC", soft_wrap=True
    )
    if woken:
        out.print(f"A worker applies it: {escape(', '.join(woken))}", soft_wrap=True)
    else:
        out.print(f"Next:  [bold]invarlock promote apply {request_id}[/]", soft_wrap=True)


def reject(request_id: RequestId, reason: Reason, name: Name = None, as_json: AsJson = False) -> None:
    """Close a request for good. Whoever requested it may take it back so.

    Example:  invarlock promote reject 1f2e3d4c5b6a7988 --reason "five runs are too few"
    """
    from invarlock.promotion import approval

    request = RequestStore().request(request_id)
    kept = approval.reject(request, by=name or whoever_runs_this(), reason=reason, at=datetime.now(UTC))
    _tell_waiting(request_id, "reject", kept.by, kept.reason)
    if as_json:
        print(json.dumps(kept.model_dump(mode="json"), indent=2))
    else:
        out.print(
            f"[red]rejected[/] by {escape(kept.by)}. The change can be requested again, in other words.",
            soft_wrap=True,
        )


def _tell_waiting(request_id: str, decision: str, name: str, reason: str) -> list[str]:
    """Pages of the flow runs that were woken. The answer is kept already: without a server nobody waits."""
    try:
        if not connect_if_running():
            return []
        from tasks.waiting_runs import tell_waiting  # imports Prefect

        return list(tell_waiting(request_id, decision=decision, name=name, reason=reason))
    except StoreError as error:
        told = "[yellow]kept, but flow runs that wait for it could not be told:[/]"
        err.print(f"{told} {escape(str(error))}", soft_wrap=True)
        return []
