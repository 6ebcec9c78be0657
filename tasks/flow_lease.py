"""Flow runs whose process was killed: Prefect would show them as running for ever.

A running flow holds a kernel lock on a file of its own. Whoever finds such a file free knows that its process is
dead, and tells the server so.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    TaskRunFilter,
    TaskRunFilterFlowRunId,
    TaskRunFilterState,
    TaskRunFilterStateType,
)
from prefect.client.schemas.objects import State, StateType
from prefect.context import FlowRunContext
from prefect.exceptions import ObjectNotFound
from prefect.states import Crashed

from tasks.work_tally import conducting

_UNFINISHED = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]


@contextmanager
def flow_lease(folder: Path) -> Iterator[None]:
    """Mark the running flow as alive inside the block, and those of dead processes as crashed before it."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    _bury_the_dead(folder)
    lease = folder / str(context.flow_run.id)
    with lease.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            with conducting(lease.name):
                yield
        finally:
            lease.unlink(missing_ok=True)


def _bury_the_dead(folder: Path) -> None:
    for lease in folder.iterdir():
        with lease.open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue  # alive
            with get_client(sync_client=True) as client:
                mark_crashed(client, lease.name)
            lease.unlink(missing_ok=True)


def is_alive(folder: Path, flow_run_id: str) -> bool:
    """Whether a living process holds the lease of a flow run."""
    try:
        with (folder / flow_run_id).open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def mark_crashed(client: SyncPrefectClient, flow_run_id: str) -> None:
    """Tell the server that a flow run's process died: the run and its unfinished tasks end as crashed."""
    state: State[None] = Crashed(message=f"The process died; seen by process {os.getpid()}.")
    try:
        flow_run = client.read_flow_run(UUID(flow_run_id))
    except ObjectNotFound:
        return  # of another server, or deleted
    unfinished = TaskRunFilter(
        flow_run_id=TaskRunFilterFlowRunId(any_=[flow_run.id]),
        state=TaskRunFilterState(type=TaskRunFilterStateType(any_=_UNFINISHED)),
    )
    for task_run in client.read_task_runs(task_run_filter=unfinished):
        client.set_task_run_state(task_run.id, state, force=True)
    if flow_run.state_type in _UNFINISHED:
        client.set_flow_run_state(flow_run.id, state, force=True)
