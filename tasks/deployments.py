"""What a worker needs on the Prefect server before it polls: its pool, the deployments, and an end to lost runs."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.exceptions import ObjectAlreadyExists

from invarlock.errors import ConfigError
from tasks.flow_lease import is_alive, mark_crashed

POOL = "local"
DEFAULT_QUEUE = "default"
_SETTLED = timedelta(minutes=1)


def apply_deployments(file: Path) -> None:
    """Create the process pool unless it is there, and every deployment of ``file`` in it.

    A queue other than the default one stands for a model: one run of it at a time. ConfigError when a deployment is
    refused.
    """
    with get_client(sync_client=True) as client:
        with suppress(ObjectAlreadyExists):  # an operator's own settings of it stay
            client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
        _deploy(file)
        for queue in client.read_work_queues(work_pool_name=POOL):
            if queue.name != DEFAULT_QUEUE:
                client.update_work_queue(queue.id, concurrency_limit=1)


def end_lost_runs(leases: Path, settled: timedelta = _SETTLED) -> int:
    """Mark as crashed the pool's runs that no process carries out any more; else they hold their places for ever.

    leases: the folder of :func:`~tasks.flow_lease.flow_lease`. settled: a run that is this long without a lease is not
    about to take one. The worker that started them is dead: nobody else would end them.
    """
    begun = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(
            flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=begun))),
            work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=[POOL])),
        )
        lost = [run for run in runs if not is_alive(leases, str(run.id)) and _age(run) > settled]
        for run in lost:
            mark_crashed(client, str(run.id))
    return len(lost)


def _age(run: FlowRun) -> timedelta:
    """How long a run has been in its state."""
    return datetime.now(UTC) - run.state.timestamp if run.state else timedelta(0)


def _deploy(file: Path) -> None:
    """As `prefect deploy --all` does, from the working folder, which the file may name."""
    found = subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(file)],
        env={**os.environ, "PWD": str(Path.cwd())},
        capture_output=True,
        text=True,
        check=False,
    )
    if found.returncode != 0:
        raise ConfigError(
            f"a deployment was refused:\n{found.stdout[-2000:]}{found.stderr[-2000:]}",
            where=file,
            fix="mend the file, or name another with --deployments",
        )
