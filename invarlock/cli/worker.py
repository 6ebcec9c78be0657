"""``invarlock worker``: a worker in the foreground."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from invarlock.cli.console import err
from invarlock.cli.environment import prepare_environment
from invarlock.errors import ConfigError, InvarlockError
from invarlock.home import home, shipped

DEPLOYMENTS = Path("deployments/prefect.yaml")


def worker(
    deployments: Annotated[
        Path,
        typer.Option(help="Deployments to apply first. Default: the working folder's, else those shipped."),
    ] = DEPLOYMENTS,
    health_port: Annotated[
        int | None, typer.Option(help="Answer on 127.0.0.1:PORT/health with 200 while it polls.")
    ] = None,
) -> None:
    """Run a worker here until it is ended, for containers and service managers; `invarlock up --worker` is simpler.

    Creates the process pool `local` unless it is there, applies the deployments, ends what a worker that died left
    unfinished, has promotions go on that were approved meanwhile, and polls the server that PREFECT_API_URL names, else
    the local one.

    Example:  invarlock worker --health-port 8080
    """
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "INFO")
    prepare_environment()
    from tasks.deployments import POOL, apply_deployments, end_lost_runs, worker_name  # imports Prefect

    apply_deployments(_found(deployments))
    name = worker_name(home())
    if ended := end_lost_runs(home() / "flow_runs", name):
        err.print(f"{ended} runs whose process died are marked as crashed")
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", POOL, "--name", name]
    _settle_waiting()
    if health_port is not None:
        os.environ["PREFECT_WORKER_WEBSERVER_PORT"] = str(health_port)
        os.environ.setdefault("PREFECT_WORKER_WEBSERVER_HOST", "127.0.0.1")
        command.append("--with-healthcheck")
    os.execv(sys.executable, command)


def _settle_waiting() -> None:
    """What was approved or closed while no server ran. Whatever is wrong there, the sweeps have to go on."""
    from tasks.waiting_runs import settle_waiting

    try:
        settle_waiting()
    except InvarlockError as error:
        err.print(f"[yellow]runs that wait for an approval were left alone:[/] {escape(str(error))}")


def _found(deployments: Path) -> Path:
    if deployments.is_file():
        return deployments.resolve()
    if deployments == DEPLOYMENTS:
        return shipped(str(DEPLOYMENTS))
    raise ConfigError(
        "there is no such file of deployments", where=deployments, fix="see deployments/prefect.yaml"
    )
