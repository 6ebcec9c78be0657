"""What was measured for a flow run, wherever its tasks ran.

Stores count what their own process did. A process that runs tasks for the flow of another writes its counts down in
the home that both share, and whoever conducts the flow adds them to its own.
"""

from __future__ import annotations

import os
import platform
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from threading import Lock
from typing import ParamSpec, TypeVar

from prefect.context import FlowRunContext, TaskRunContext

from invarlock.files import write_json
from invarlock.home import home
from invarlock.measure.pass_meter import PASSES
from invarlock.record import Record
from tasks.resources import measurements

P = ParamSpec("P")
T = TypeVar("T")


class Tally(Record):
    """Measurements found and written by kind, damaged entries set aside, and forward-pass equivalents."""

    found: Mapping[str, int]
    written: Mapping[str, int]
    quarantined: tuple[str, ...]
    passes: float


_conducted: set[str] = set()  # flow runs that this process conducts
_before: dict[
    str, Tally
] = {}  # what this process had done when it was given its first task of another's flow
_writing = Lock()


def tally() -> Tally:
    """Everything up to now: of this process, and of others for the flow run that it conducts."""
    parts = [_own()]
    context = FlowRunContext.get()
    if context is not None and context.flow_run is not None:
        files = sorted(_folder(str(context.flow_run.id)).glob("*.json"))
        parts += [Tally.model_validate_json(file.read_bytes()) for file in files]
    return Tally(
        found=sum((Counter(part.found) for part in parts), Counter()),
        written=sum((Counter(part.written) for part in parts), Counter()),
        quarantined=tuple(path for part in parts for path in part.quarantined),
        passes=sum(part.passes for part in parts),
    )


@contextmanager
def conducting(flow_run: str) -> Iterator[None]:
    """This process conducts ``flow_run`` inside the block; what others counted for it is cleared away after."""
    _conducted.add(flow_run)
    try:
        yield
    finally:
        _conducted.discard(flow_run)
        shutil.rmtree(_folder(flow_run), ignore_errors=True)


def counted(task: Callable[P, T]) -> Callable[P, T]:
    """The function of a task, whose measurements count for its flow run wherever it runs."""

    @wraps(task)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        begin()
        try:
            return task(*args, **kwargs)
        finally:
            write_down()

    return run


# A task is sent to another process by value, its wrapper with it; what has state must be looked up there by name.
def begin() -> None:
    """Before a task: what this process did earlier is not for its flow."""
    if flow_run := _of_another():
        with _writing:
            _before.setdefault(flow_run, _own())


def write_down() -> None:
    """After a task: what this process has done for the flow since its first task of it."""
    if flow_run := _of_another():
        with _writing:
            before, now = _before[flow_run], _own()
            gained = Tally(
                found=Counter(now.found) - Counter(before.found),
                written=Counter(now.written) - Counter(before.written),
                quarantined=now.quarantined[len(before.quarantined) :],
                passes=now.passes - before.passes,
            )
            name = f"{platform.node()}-{os.getpid()}.json"
            write_json(_folder(flow_run) / name, gained.model_dump(mode="json"))


def _of_another() -> str | None:
    """The flow run of the running task, unless this process conducts it."""
    context = TaskRunContext.get()
    if context is None or context.task_run.flow_run_id is None:
        return None
    flow_run = str(context.task_run.flow_run_id)
    return None if flow_run in _conducted else flow_run


def _own() -> Tally:
    counts = measurements().counts()
    return Tally(
        found=counts.found, written=counts.written, quarantined=counts.quarantined, passes=PASSES.total
    )


def _folder(flow_run: str) -> Path:
    return home() / "work" / flow_run
