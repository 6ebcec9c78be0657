"""``invarlock up``, ``down`` and ``status``: the local Prefect server, the MLflow UI and the worker."""

from __future__ import annotations

import json
from collections.abc import Sequence
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from invarlock.cli.console import err, out
from invarlock.errors import ConfigError
from invarlock.home import home
from invarlock.record import Record
from tasks.background_server import BackgroundServer, ServerState, ServerStatus
from tasks.local_address import HOST
from tasks.local_services import (
    MLFLOW_TRACKING_URI,
    PREFECT_API_URL,
    ensure_prefect_server,
    mlflow_server,
    named_server,
    prefect_server,
    tracking_uri,
)
from tasks.local_worker import local_worker

AsJson = Annotated[bool, typer.Option("--json", help="Print the services as JSON.")]
ENDED = (ServerState.STOPPED, ServerState.DEAD)


class Service(Record):
    """A service as it is shown. state: of ServerState, or ``external`` for one named in the environment."""

    name: str
    state: str
    url: str
    pid: int | None
    log: str


def up(
    worker: Annotated[
        bool, typer.Option("--worker", help="Start a worker too: it runs scheduled and requested flows.")
    ] = False,
    host: Annotated[
        str | None,
        typer.Option(help="IPv4 address to listen on; 0.0.0.0: all of this machine's. Default: 127.0.0.1."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Start the local Prefect server and the MLflow UI, wait until both answer, and print their addresses.

    Those that run already are left alone. Both listen on 127.0.0.1 unless --host says otherwise, keep everything
    under INVARLOCK_HOME (default .invarlock/) and run until `invarlock down`. A server that PREFECT_API_URL or
    MLFLOW_TRACKING_URI names is used as it is. The worker runs deployments/prefect.yaml in the working folder.

    Example:  invarlock up --worker
    """
    if host is not None:
        _warn_of_guests(host)
    with err.status("starting the local servers ..."):
        _start_servers(host)
    if worker:
        with err.status("starting the worker ..."):
            local_worker(home(), ensure_prefect_server(home())).start(seconds=180)
    _print(_services(), as_json)
    if not as_json:
        out.print("\nIn MLflow the runs are under Model training. Stop all with [bold]invarlock down[/bold].")


def down(as_json: AsJson = False) -> None:
    """Stop the worker with its runs, the local Prefect server and the MLflow UI; those of other homes run on.

    Databases and measurements stay: a run that was stopped finds them when it is started again.

    Example:  invarlock down
    """
    # The worker first, so that its runs can still tell the server that they end.
    running = (local_worker(home()), prefect_server(home()), mlflow_server(home()))
    stopped = [server.name for server in running if server.stop()]
    if as_json:
        print(json.dumps({"stopped": stopped}))
    else:
        out.print(f"stopped: {', '.join(stopped)}" if stopped else "nothing was running")


def status(as_json: AsJson = False) -> None:
    """Say whether the local servers and the worker run, where they answer, and where their logs are.

    Example:  invarlock status --json
    """
    services = _services()
    _print(services, as_json)
    if not as_json and any(service.state in ENDED for service in services if service.name != "worker"):
        out.print("\nStart them with [bold]invarlock up[/bold]; a sweep starts Prefect's by itself.")


def _start_servers(asked: str | None) -> None:
    host, starting = asked or HOST, []
    if not named_server(PREFECT_API_URL):
        starting.append(prefect_server(home(), host))
        starting[-1].launch()
    if not named_server(MLFLOW_TRACKING_URI):
        starting.append(mlflow_server(home(), host))
        if starting[-1].status().state in ENDED:
            from tasks.tracking_store import prepare_tracking_store  # imports MLflow, while Prefect starts

            prepare_tracking_store(home())
        starting[-1].launch()
    for server in starting:
        found = server.start()
        if asked is not None:
            _ensure_host(server, found)


def _warn_of_guests(host: str) -> None:
    try:
        guarded = IPv4Address(host).is_loopback
    except AddressValueError as error:
        raise ConfigError(
            f"{host} is no IPv4 address", where="--host", fix=f"such as {HOST} or 0.0.0.0"
        ) from error
    if not guarded:
        err.print(
            f"[yellow]warning:[/yellow] listening on {host}: whoever reaches this machine can run flows and change "
            "results, unless authentication stands in front of both servers; see docs/deployment.md"
        )


def _ensure_host(server: BackgroundServer, found: ServerStatus) -> None:
    if found.address and found.address.host != server.host:
        raise ConfigError(
            f"the {server.name} server runs already, on {found.address.host} instead of {server.host}",
            where="--host",
            fix="run `invarlock down` first, or name the address it has",
        )


def _services() -> list[Service]:
    variables = {PREFECT_API_URL: prefect_server(home()), MLFLOW_TRACKING_URI: mlflow_server(home())}
    servers = [
        Service(name=server.name, state="external", url=url, pid=None, log="")
        if (url := named_server(variable))
        else _service(server.status())
        for variable, server in variables.items()
    ]
    return [*servers, _service(local_worker(home()).status())]


def _service(found: ServerStatus) -> Service:
    return Service(name=found.name, state=found.state, url=found.url, pid=found.pid, log=found.log)


def _print(services: Sequence[Service], as_json: bool) -> None:
    if as_json:
        print(json.dumps({service.name: service.model_dump(exclude={"name"}) for service in services}))
        return
    for service in services:
        pid = f" (pid {service.pid})" if service.pid else ""
        out.print(f"{service.name:8} [bold]{service.state}[/bold] {escape(service.url)}{pid}", soft_wrap=True)
        if service.log:
            out.print(f"{'':8} log {escape(_short(service.log))}", soft_wrap=True)
    out.print(f"{'home':8} {escape(_short(str(home())))}", soft_wrap=True)
    out.print(f"{'runs':8} {escape(tracking_uri(home()))}", soft_wrap=True)


def _short(path: str) -> str:
    try:
        return str(Path(path).relative_to(Path.cwd())) if path else ""
    except ValueError:
        return path
