"""``invarlock up``, ``down`` and ``status``: the local Prefect server and the MLflow UI."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from invarlock.cli.console import err, out
from invarlock.home import home
from invarlock.record import Record
from tasks.background_server import ServerState, ServerStatus
from tasks.local_services import (
    MLFLOW_TRACKING_URI,
    PREFECT_API_URL,
    mlflow_server,
    prefect_server,
    tracking_uri,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print the servers as JSON.")]
ENDED = (ServerState.STOPPED, ServerState.DEAD)


class Service(Record):
    """A server as it is shown. state: of ServerState, or ``external`` for one named in the environment."""

    name: str
    state: str
    url: str
    pid: int | None
    log: str


def up(as_json: AsJson = False) -> None:
    """Start the local Prefect server and the MLflow UI, wait until both answer, and print their addresses.

    Those that run already are left alone. Both listen on 127.0.0.1 only, keep everything under INVARLOCK_HOME
    (default .invarlock/) and run until `invarlock down`. A server that PREFECT_API_URL or MLFLOW_TRACKING_URI
    names is used as it is.

    Example:  invarlock up
    """
    with err.status("starting the local servers ..."):
        starting = []
        if not _named(PREFECT_API_URL):
            starting.append(prefect_server(home()))
            starting[-1].launch()
        if not _named(MLFLOW_TRACKING_URI):
            starting.append(mlflow_server(home()))
            if starting[-1].status().state in ENDED:
                from tasks.tracking_store import (
                    prepare_tracking_store,
                )  # imports MLflow, while Prefect starts

                prepare_tracking_store(home())
            starting[-1].launch()
        for server in starting:
            server.start()
    _print(_services(), as_json)
    if not as_json:
        out.print(
            "\nIn MLflow the runs are under Model training. Stop both with [bold]invarlock down[/bold]."
        )


def down(as_json: AsJson = False) -> None:
    """Stop the local Prefect server and the MLflow UI. Their databases stay; those of other homes run on.

    Example:  invarlock down
    """
    stopped = [server.name for server in (prefect_server(home()), mlflow_server(home())) if server.stop()]
    if as_json:
        print(json.dumps({"stopped": stopped}))
    else:
        out.print(f"stopped: {', '.join(stopped)}" if stopped else "nothing was running")


def status(as_json: AsJson = False) -> None:
    """Say whether the local servers run, where they answer, and where their logs are.

    Example:  invarlock status --json
    """
    services = _services()
    _print(services, as_json)
    if not as_json and any(service.state in ENDED for service in services):
        out.print("\nStart them with [bold]invarlock up[/bold]; a sweep starts Prefect's by itself.")


def _services() -> list[Service]:
    variables = {PREFECT_API_URL: prefect_server(home()), MLFLOW_TRACKING_URI: mlflow_server(home())}
    return [
        Service(name=server.name, state="external", url=url, pid=None, log="")
        if (url := _named(variable))
        else _service(server.status())
        for variable, server in variables.items()
    ]


def _named(variable: str) -> str | None:
    """The server that the environment names instead of the local one."""
    return os.environ.get(variable) or None


def _service(found: ServerStatus) -> Service:
    return Service(name=found.name, state=found.state, url=found.url, pid=found.pid, log=found.log)


def _print(services: Sequence[Service], as_json: bool) -> None:
    if as_json:
        print(json.dumps({service.name: service.model_dump(exclude={"name"}) for service in services}))
        return
    for service in services:
        pid = f" (pid {service.pid})" if service.pid else ""
        out.print(f"{service.name:8} [bold]{service.state}[/bold] {service.url}{pid}", soft_wrap=True)
        if service.log:
            out.print(f"{'':8} log {_short(service.log)}", soft_wrap=True)
    out.print(f"{'home':8} {_short(str(home()))}", soft_wrap=True)
    out.print(f"{'runs':8} {tracking_uri(home())}", soft_wrap=True)


def _short(path: str) -> str:
    try:
        return str(Path(path).relative_to(Path.cwd())) if path else ""
    except ValueError:
        return path
