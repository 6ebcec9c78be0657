"""The Prefect worker of a home in the background: it runs what schedules and people ask for."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tasks.background_server import BackgroundServer
from tasks.local_address import preferred_port
from tasks.local_services import quiet_environment

_FIRST_PORT = 20000
_POLL_SECONDS = "5"  # it is healthy while it polled within thirty times this


def local_worker(home: Path, api_url: str = "") -> BackgroundServer:
    """The worker of ``home``; api_url: of the Prefect server that it asks for work, needed to launch it.

    It serves nothing but its own health: 200 while it polls. Its runs work in the folder where it was started.
    """
    return BackgroundServer(
        name="worker",
        folder=home / "worker",
        preferred_port=preferred_port(home, _FIRST_PORT),
        health="/health",
        command=lambda port: [sys.executable, "-m", "invarlock.cli", "worker", "--health-port", str(port)],
        environment=_environment(home) | {"PREFECT_API_URL": api_url},
        working_folder=Path.cwd(),
    )


def _environment(home: Path) -> dict[str, str]:
    # What runs in the worker sees what a command would see: the user's own environment and this home.
    return {
        **os.environ,
        **quiet_environment(home),
        "INVARLOCK_HOME": str(home),
        "PREFECT_WORKER_QUERY_SECONDS": _POLL_SECONDS,
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "INFO",  # its console is its log
        "PYTHONUNBUFFERED": "1",
    }
