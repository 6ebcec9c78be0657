"""``invarlock doctor``: what is amiss on this machine, and what mends it."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from invarlock.cli.console import out
from invarlock.cli.environment import connect_if_running
from invarlock.doctor import Finding, Level, examine
from invarlock.errors import InvarlockError
from invarlock.home import home
from tasks.background_server import ServerState, ServerStatus
from tasks.local_services import PREFECT_API_URL, mlflow_server, named_server, prefect_server
from tasks.local_worker import local_worker

_STYLES = {Level.OK: "green", Level.WARNING: "yellow", Level.PROBLEM: "bold red"}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check versions, stores, servers, worker, network switch and policy; every finding comes with its fix.

    Exit code 0 when nothing is broken, 2 otherwise.
    """
    findings = [
        *examine(),
        _prefect(),
        *(_service(make(home()).status()) for make in (mlflow_server, local_worker)),
    ]
    if as_json:
        print(json.dumps([finding.model_dump(mode="json") for finding in findings], indent=2))
    else:
        table = Table()
        for column in ("", "subject", "found", "fix"):
            table.add_column(column, overflow="fold")
        for finding in findings:
            style = _STYLES[finding.level]
            cells = map(escape, (finding.subject, finding.what, finding.fix))
            table.add_row(f"[{style}]{finding.level.value}[/{style}]", *cells)
        out.print(table)
    if any(finding.level is Level.PROBLEM for finding in findings):
        raise typer.Exit(2)


def _prefect() -> Finding:
    """The server that commands would talk to, asked as they would ask it."""
    try:
        connected = connect_if_running()
    except InvarlockError as error:
        where = f" ({error.where})" if error.where else ""
        return Finding(
            subject="prefect server", level=Level.PROBLEM, what=error.what + where, fix=error.fix or ""
        )
    if not connected:
        return _service(prefect_server(home()).status())
    return Finding(
        subject="prefect server", level=Level.OK, what=f"answers at {named_server(PREFECT_API_URL)}"
    )


def _service(status: ServerStatus) -> Finding:
    where = f" at {status.url}" if status.url else ""
    dead = status.state is ServerState.DEAD
    worker = status.name == "worker"
    return Finding(
        subject=status.name if worker else f"{status.name} server",
        level=Level.WARNING if dead else Level.OK,
        what=f"{status.state.value}{where}",
        fix=f"read {status.log}, then `invarlock up{' --worker' if worker else ''}`" if dead else "",
    )
