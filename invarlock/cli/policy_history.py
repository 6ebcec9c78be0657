"""``invarlock policy history``, ``verify-history`` and ``record-edit``: what happened to the policy in force."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.markup import escape

from invarlock.cli.console import out
from invarlock.cli.promote_options import AsJson, Name, Reason
from invarlock.home import home
from invarlock.promotion.beside_registry import beside_registry
from invarlock.promotion.hand_edit import record_hand_edit
from invarlock.promotion.history import HistoryEntry, entries
from invarlock.promotion.person import whoever_runs_this
from invarlock.promotion.runtime_files import RuntimeFiles
from invarlock.promotion.turn import turn
from invarlock.promotion.verify_history import verify_history as find_broken_link
from invarlock.reports.number_text import counted
from invarlock.reports.time_text import utc_text
from tasks.local_services import quiet_environment

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


def verify_history(
    against_registry: Annotated[
        bool, typer.Option(help="Compare with the policies registered in MLflow too.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check the whole chain: every line, every kept version, what was done about every request, and the file in force.

    Whoever rewrites or removes all of these together is found with --against-registry only.

    Exit codes: 0 whole; 1 broken, with the first broken link.

    Example:  invarlock policy verify-history --against-registry
    """
    broken = find_broken_link()
    known = () if broken else entries(RuntimeFiles.of())
    registered = _registered() if against_registry and broken is None else None
    if registered is not None:
        broken = beside_registry(known, registered)
    if as_json:
        told = {
            "whole": broken is None,
            "entries": len(known),
            "registered": None if registered is None else len(registered),
            "broken": str(broken) if broken else None,
            "last_sha256": known[-1].sha256 if known else None,
        }
        print(json.dumps(told, indent=2))
    elif broken is not None:
        out.print(f"[bold red]broken[/]: {escape(str(broken))}", soft_wrap=True)
    else:
        last = f", the last one {known[-1].sha256}" if known else ""
        beside = "" if registered is None else f"; {len(registered)} registered"
        out.print(f"[green]whole[/]: {counted(len(known), 'entry', 'entries')}{last}{beside}", soft_wrap=True)
    raise typer.Exit(0 if broken is None else 1)


def _registered() -> Mapping[str, str]:
    os.environ.update(quiet_environment(home()))
    from tasks.tracking import Tracker  # these import MLflow, which reads the environment then
    from tasks.tracking_policies import EXPERIMENT, registered_entries

    return registered_entries(Tracker(home(), EXPERIMENT))


def record_edit(reason: Reason, name: Name = None, as_json: AsJson = False) -> None:
    """Tell the history that tiers.yaml was edited by hand: until then nothing can be applied.

    Policy keys, which no calibration recommends, are changed that way. Values that one recommends are refused.

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
        f"{entry.number:3}  {utc_text(event.at)}  [bold]{event.kind.value:9}[/]  {versions}  "
        f"by {escape(event.requester)}{approved}\n     {escape(event.reason)}",
        soft_wrap=True,
    )
