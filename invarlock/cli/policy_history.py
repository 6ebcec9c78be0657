"""``invarlock policy history``, ``verify-history`` and ``record-edit``: what happened to the policy in force."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.markup import escape

from invarlock.cli.console import out
from invarlock.cli.promote_options import AsJson, Name, Reason
from invarlock.promotion.hand_edit import record_hand_edit
from invarlock.promotion.history import HistoryEntry, entries
from invarlock.promotion.person import whoever_runs_this
from invarlock.promotion.turn import turn
from invarlock.promotion.verify_history import verify_history as find_broken_link

Versions = Annotated[bool, typer.Option("--full", help="Print hashes in full.")]


def history(full: Versions = False, as_json: AsJson = False) -> None:
    """Show every change of the policy in force: who, what, why, from which version to which.

    Example:  invarlock policy history --full
    """
    with turn() as store:
        known = entries(store.files)
    if as_json:
        print(json.dumps([entry.model_dump(mode="json") for entry in known], indent=2))
    for entry in () if as_json else known:
        _print(entry, 64 if full else 12)
    if not known and not as_json:
        out.print("Nothing was promoted yet: the policy in force is as it was installed.")


def verify_history(as_json: AsJson = False) -> None:
    """Check the whole chain: every line, every kept version, every applied request, and the file in force.

    Exit codes: 0 whole; 1 broken, with the first broken link.

    Example:  invarlock policy verify-history
    """
    broken = find_broken_link()
    with turn() as store:
        known = () if broken else entries(store.files)
    if as_json:
        whole = {"whole": broken is None, "entries": len(known), "broken": str(broken) if broken else None}
        print(json.dumps(whole | {"last_sha256": known[-1].sha256 if known else None}, indent=2))
    elif broken is not None:
        out.print(f"[bold red]broken[/]: {escape(str(broken))}", soft_wrap=True)
    else:
        last = f", the last one {known[-1].sha256}" if known else ""
        out.print(f"[green]whole[/]: {len(known)} entries{last}", soft_wrap=True)
    raise typer.Exit(0 if broken is None else 1)


def record_edit(reason: Reason, name: Name = None, as_json: AsJson = False) -> None:
    """Tell the history that tiers.yaml was edited by hand: until then nothing can be applied.

    Policy keys, which no calibration recommends, are changed that way.

    Example:  invarlock policy record-edit --reason "tail gate on for the release"
    """
    entry = record_hand_edit(by=name or whoever_runs_this(), reason=reason, at=datetime.now(UTC))
    if as_json:
        print(json.dumps(entry.model_dump(mode="json"), indent=2))
    else:
        changed = ", ".join(change.path for change in entry.event.changes) or "comments only"
        out.print(f"recorded as entry {entry.number}: {escape(changed)}", soft_wrap=True)


def _print(entry: HistoryEntry, digits: int) -> None:
    event = entry.event
    approvers = ", ".join(approval.by for approval in event.approvals)
    approved = f", approved by {escape(approvers)}" if approvers else ""
    versions = f"{event.from_sha256[:digits]} → {event.to_sha256[:digits]}"
    out.print(
        f"{entry.number:3}  {event.at:%Y-%m-%d %H:%M}  [bold]{event.kind.value:9}[/]  {versions}  "
        f"by {escape(event.requester)}{approved}\n     {escape(event.reason)}",
        soft_wrap=True,
    )
