"""Flow runs whose process was killed: Prefect would show them as running for ever.

A running flow holds a kernel lock on a file of its own. Whoever finds such a file free knows that its process is
dead, and tells the server so. Files are made, looked at and removed under the lock of their folder: none is ever free
while its process lives (decision 0144).
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    TaskRunFilter,
    TaskRunFilterFlowRunId,
    TaskRunFilterState,
    TaskRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.context import FlowRunContext
from prefect.exceptions import ObjectNotFound
from prefect.states import Crashed

from invarlock.files import locked
from tasks.work_tally import conducting

BEGUN = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
_SOON = 0.1  # seconds


@contextmanager
def flow_lease(folder: Path) -> Iterator[None]:
    """Mark the running flow as alive inside the block, and those of dead processes as crashed before it."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        _bury_the_dead(folder)
    lease = folder / f"{context.flow_run.id}.{context.flow_run.run_count}"
    with _taken(lease):
        try:
            with conducting(str(context.flow_run.id)):
                yield
        finally:
            with _alone(folder):
                lease.unlink(missing_ok=True)


def is_alive(folder: Path, flow_run_id: str) -> bool:
    """Whether a living process holds a lease of a flow run."""
    with _alone(folder):
        return any(_is_held(lease) for lease in folder.glob(f"{flow_run_id}.*"))


def mark_crashed(client: SyncPrefectClient, flow_run: FlowRun) -> None:
    """Tell the server that a flow run's process died: the run and its unfinished tasks end as crashed."""
    state: State[None] = Crashed(message=f"The process died; seen by process {os.getpid()}.")
    unfinished = TaskRunFilter(
        flow_run_id=TaskRunFilterFlowRunId(any_=[flow_run.id]),
        state=TaskRunFilterState(type=TaskRunFilterStateType(any_=BEGUN)),
    )
    for task_run in client.read_task_runs(task_run_filter=unfinished):
        client.set_task_run_state(task_run.id, state, force=True)
    if flow_run.state_type in BEGUN:
        client.set_flow_run_state(flow_run.id, state, force=True)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    with locked(folder.with_suffix(".lock")):
        yield


@contextmanager
def _taken(lease: Path) -> Iterator[None]:
    """Hold ``lease``, once the process that suspended this very run, and may still be ending, has let go of it."""
    while True:
        with _alone(lease.parent):
            file = lease.open("a")
            if _lock(file):
                break
        file.close()
        time.sleep(_SOON)
    with file:
        yield


def _lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_held(lease: Path) -> bool:
    with lease.open("a") as file:
        return not _lock(file)


def _bury_the_dead(folder: Path) -> None:
    for lease in folder.iterdir():
        if not _is_held(lease):
            flow_run_id, _, attempt = lease.name.partition(".")
            _bury(flow_run_id, attempt)
            lease.unlink()


def _bury(flow_run_id: str, attempt: str) -> None:
    with get_client(sync_client=True) as client:
        try:
            flow_run = client.read_flow_run(UUID(flow_run_id))
        except ObjectNotFound:
            return  # of another server, or deleted
        # A run that was started again since has another count, or is about to have one.
        if str(flow_run.run_count) == attempt and flow_run.state_type is not StateType.PENDING:
            mark_crashed(client, flow_run)
