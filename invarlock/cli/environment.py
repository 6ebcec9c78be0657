"""The environment that Prefect, MLflow and transformers read when they are imported: set before that."""

from __future__ import annotations

import os

from invarlock.home import home
from invarlock.network import apply_network_switch
from tasks.local_services import PREFECT_API_URL, ensure_prefect_server, quiet_environment


def prepare_environment(*, allow_network: bool) -> None:
    """Quiet and offline, every store under one home, and a Prefect server to talk to."""
    apply_network_switch(allow_network)
    os.environ.update(quiet_environment(home()))
    os.environ[PREFECT_API_URL] = ensure_prefect_server(home())
