"""The embedded default: a local Prefect server and the MLflow UI, on 127.0.0.1, all under one home folder.

Prefect's in-process server loses records of task runs, so a real one is started on demand and left running
until ``invarlock down``. Neither Prefect nor MLflow is imported here: this must work before both.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from invarlock.errors import ConfigError
from tasks.background_server import BackgroundServer, ServerState
from tasks.local_address import HOST, preferred_port

PREFECT_API_URL = "PREFECT_API_URL"
MLFLOW_TRACKING_URI = "MLFLOW_TRACKING_URI"
# A database may be told a name, but no password; a web address neither, since a name alone may be a token.
_CREDENTIALS = re.compile(r"https?://[^@]*@|[^:]+://[^@]*:[^@]*@", re.IGNORECASE)
_FIRST_PREFECT_PORT = 14200
_FIRST_MLFLOW_PORT = 17000
_QUIET = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    # The server keeps every log line of a run; on the terminal the command says what failed, once.
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


# What guards a server that others can reach (docs/deployment.md); all else of a server is our own choice.
_PROTECTION = (
    "PREFECT_SERVER_API_AUTH_STRING",
    "MLFLOW_SERVER_ALLOWED_HOSTS",
    "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS",
)


def prefect_home(home: Path) -> Path:
    """The folder of the Prefect database, profiles and task results."""
    return home / "prefect"


def quiet_environment(home: Path) -> Mapping[str, str]:
    """What the command line puts into the environment before Prefect or MLflow is imported.

    Offline, quiet, and with Prefect's files under ``home``. A variable that is set already keeps its value,
    except that 127.0.0.1 is added to ``NO_PROXY``: the local servers must not be asked for through a proxy.
    """
    defaults = _QUIET | {
        "PREFECT_HOME": str(prefect_home(home)),
        "PREFECT_RESULTS_LOCAL_STORAGE_PATH": str(prefect_home(home) / "results"),
    }
    direct = [host for host in os.environ.get("NO_PROXY", "").split(",") if host]
    direct += [host for host in (HOST, "localhost") if host not in direct]
    return {name: os.environ.get(name, value) for name, value in defaults.items()} | {
        "NO_PROXY": ",".join(direct)
    }


def prefect_server(home: Path, host: str = HOST) -> BackgroundServer:
    """The Prefect server of ``home``: its database, its UI and the scheduler of cron deployments."""
    return BackgroundServer(
        name="prefect",
        folder=prefect_home(home) / "server",
        preferred_port=preferred_port(home, _FIRST_PREFECT_PORT),
        health="/api/health",
        command=lambda port: [*_python("prefect"), "server", "start", "--host", host, "--port", str(port)],
        # Relative, so that the UI also works through a forwarded port.
        environment=_server_environment(home) | {"PREFECT_UI_API_URL": "/api"},
        host=host,
    )


def mlflow_server(home: Path, host: str = HOST) -> BackgroundServer:
    """The MLflow UI on the embedded store of ``home``. Runs are logged without it."""
    store = mlflow_home(home)
    return BackgroundServer(
        name="mlflow",
        folder=store / "server",
        preferred_port=preferred_port(home, _FIRST_MLFLOW_PORT),
        health="/health",
        command=lambda port: [
            *_python("mlflow"),
            *("server", "--workers", "1", "--host", host, "--port", str(port)),
            *("--backend-store-uri", embedded_tracking_uri(home)),
            *("--artifacts-destination", str(store / "artifacts")),
        ],
        # Job execution would start eight processes more, for features that nothing here uses.
        environment=_server_environment(home) | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        host=host,
    )


def ensure_prefect_server(home: Path) -> str:
    """The API address: ``$PREFECT_API_URL`` when set, else that of the local server, started if need be."""
    return named_server(PREFECT_API_URL) or prefect_api_url(prefect_server(home).start().url)


def named_server(variable: str) -> str | None:
    """The server that the environment names instead of the local one. ConfigError when that tells a password."""
    named = os.environ.get(variable)
    return without_credentials(named, variable) if named else None


def without_credentials(address: str, variable: str) -> str:
    """``address``, when it may be shown and kept. ConfigError, without it, for one that holds name or password.

    Addresses go into logs, links, artifacts and the errors of others, where nothing would take the password out.
    """
    if _CREDENTIALS.match(address):
        raise ConfigError(
            "the address holds credentials, which would be shown and stored with it",
            where=f"${variable}",
            fix="leave them out of it; give MLflow's in MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, "
            "Prefect's in PREFECT_API_AUTH_STRING, a database's as its client reads them, such as PGPASSWORD",
        )
    return address


def prefect_api_url(server_url: str) -> str:
    """The API of a Prefect server, given the address of its UI."""
    return f"{server_url}/api"


def mlflow_home(home: Path) -> Path:
    """The folder of the MLflow database and artifacts."""
    return home / "mlflow"


def embedded_tracking_uri(home: Path) -> str:
    """The SQLite store of ``home``."""
    return f"sqlite:///{mlflow_home(home).resolve() / 'mlflow.db'}"


def tracking_uri(home: Path) -> str:
    """``$MLFLOW_TRACKING_URI`` when set, else the SQLite store of ``home``. Raises as :func:`named_server`."""
    return named_server(MLFLOW_TRACKING_URI) or embedded_tracking_uri(home)


def mlflow_ui_url(home: Path) -> str:
    """The address of the MLflow UI: the tracking server's, or the local one's (where it is or would be)."""
    uri = tracking_uri(home)
    if uri.startswith(("http://", "https://")):
        return uri.rstrip("/")
    server = mlflow_server(home)
    status = server.status()
    if status.state is ServerState.RUNNING:
        return status.url
    return f"http://{HOST}:{server.preferred_port}"


def _python(module: str) -> list[str]:
    return [sys.executable, "-m", module]


def _server_environment(home: Path) -> dict[str, str]:
    # A server keeps to its own home: what the caller's environment says of another one is left out.
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in _PROTECTION or not name.startswith(("PREFECT_", "MLFLOW_"))
    }
    return kept | _QUIET | {"PREFECT_HOME": str(prefect_home(home))}
