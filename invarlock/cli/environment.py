"""What a command that runs a flow does first: servers, environment, and a look at the models."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from invarlock.home import home
from tasks.background_server import ServerState
from tasks.local_services import (
    MLFLOW_TRACKING_URI,
    PREFECT_API_URL,
    ensure_prefect_server,
    named_server,
    prefect_api_url,
    prefect_home,
    prefect_server,
    quiet_environment,
)

if TYPE_CHECKING:
    from invarlock.checkpoints.checkpoint import Checkpoint


def launch_server() -> None:
    """Begin to start the local Prefect server, unless another one is named; :func:`prepare_environment` waits."""
    if not named_server(PREFECT_API_URL):
        prefect_server(home()).launch()


def check_models(
    references: Sequence[str], device: str, *, allow_network: bool, allow_pickle: bool
) -> tuple[Checkpoint, ...]:
    """Open every model, headers only, and look for the device, while the server starts. Raises ModelError."""
    from invarlock.checkpoints.checkpoint import open_checkpoint  # these import torch
    from invarlock.measure.models import pick_device

    pick_device(device)
    return tuple(
        open_checkpoint(reference, allow_network=allow_network, allow_pickle=allow_pickle)
        for reference in references
    )


def prepare_environment() -> None:
    """Set what Prefect and MLflow read when they are imported, and wait until the server answers and lets us in."""
    named_server(MLFLOW_TRACKING_URI)  # one that is refused is refused before anything is measured
    os.environ.update(quiet_environment(home()))
    prefect_home(home()).mkdir(parents=True, exist_ok=True)  # Prefect warns when it is not there
    _connect(ensure_prefect_server(home()))


def connect_if_running() -> bool:
    """Prepare the environment for a Prefect server that runs already; False when there is none.

    StoreError when it does not let us in, or is named and does not answer.
    """
    api_url = named_server(PREFECT_API_URL)
    if not api_url:
        status = prefect_server(home()).status()
        if status.state is not ServerState.RUNNING:
            return False
        api_url = prefect_api_url(status.url)
    os.environ.update(quiet_environment(home()))
    _connect(api_url)
    return True


def _connect(api_url: str) -> None:
    os.environ[PREFECT_API_URL] = api_url
    from tasks.server_access import ensure_access  # imports Prefect, which reads the environment then

    ensure_access(api_url)
