"""What a worker needs on the Prefect server before it polls: its pool, the deployments, and an end to lost runs."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import ObjectAlreadyExists

from invarlock.errors import ConfigError
from invarlock.files import locked
from tasks.flow_lease import BEGUN, is_alive, mark_crashed

POOL = "local"
DEFAULT_QUEUE = "default"
_SETTLED = timedelta(minutes=1)
_STARTED_BY = "prefect.worker.name"  # the label that a worker gives to what it starts


def apply_deployments(file: Path) -> None:
    """Create the process pool unless it is there, and every deployment of ``file`` in it.

    A queue other than the default one stands for a model: one run of it at a time, unless an operator has given it
    another limit. ConfigError when a deployment is refused.
    """
    with get_client(sync_client=True) as client:
        with suppress(ObjectAlreadyExists):  # an operator's own settings of it stay
            client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
        _deploy(file)
        for queue in client.read_work_queues(work_pool_name=POOL):
            if queue.name != DEFAULT_QUEUE and queue.concurrency_limit is None:
                client.update_work_queue(queue.id, concurrency_limit=1)


def end_lost_runs(leases: Path, worker: str, settled: timedelta = _SETTLED) -> int:
    """Mark as crashed the runs of ``worker`` that no process carries out any more; else they hold their places.

    leases: the folder of :func:`~tasks.flow_lease.flow_lease`. settled: a run that is this long without a lease is not
    about to take one. Runs of other workers are theirs to end: their leases are in other homes (decision 0144).
    """
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(
            flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=BEGUN))),
            work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=[POOL])),
        )
        lost = [
            run
            for run in runs
            if run.labels.get(_STARTED_BY) == worker
            and _age(run) > settled
            and not is_alive(leases, str(run.id))
        ]
        for run in lost:
            mark_crashed(client, run)
    return len(lost)


def worker_name(home: Path) -> str:
    """What the worker of ``home`` is called on every server, by which its runs are known again."""
    file = home / "worker" / "name"
    with locked(file):
        if not file.stat().st_size:
            file.write_text(f"invarlock-{uuid4().hex[:12]}")
        return file.read_text()


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
