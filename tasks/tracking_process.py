"""MLflow in a process of its own, beside the one that measures.

Importing MLflow takes seconds, and writing its runs shares one interpreter lock with the forward passes; in another
process both cost neither (docs/decisions/0164-mlflow-beside.md). Calls go there one at a time and are waited for. The
process ends when its maker hangs up, which a killed one does too, and marks what was begun and not completed as FAILED.

    python -m tasks.tracking_process DESCRIPTOR HOME EXPERIMENT    # what TrackingProcess starts
"""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Self, TypeVar

from invarlock.errors import InvarlockError, StoreError
from tasks.tracking_records import RunHandle

if TYPE_CHECKING:
    from tasks.tracking import Tracker  # imports MLflow

P = ParamSpec("P")
R = TypeVar("R")

_GRACE_SECONDS = 30.0  # for marking runs as FAILED; a server that hangs takes longer


class TrackingProcess:
    """A :class:`tasks.tracking.Tracker` elsewhere, made by the first call.

    Parameters
    ----------
    home, experiment: as of the tracker.
    """

    def __init__(self, home: Path, experiment: str) -> None:
        self._calls, theirs = Pipe()
        with theirs:
            self._process = subprocess.Popen(
                # -P: a tasks.py where the user stands is not ours.
                [
                    sys.executable,
                    "-P",
                    "-m",
                    "tasks.tracking_process",
                    str(theirs.fileno()),
                    str(home),
                    experiment,
                ],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C at the terminal is for this process
            )
        self._called = False
        self._waiting = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._calls.close()
        if not self._called:
            self._process.kill()  # it may still import, for nothing
        try:
            self._process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def begin(
        self, function: Callable[Concatenate[Tracker, P], RunHandle], *arguments: P.args, **named: P.kwargs
    ) -> RunHandle:
        """The run that ``function`` makes; marked as FAILED when it is not complete by the end of the process.

        Raises as :meth:`call`.
        """
        run: RunHandle = self._ask(True, function, arguments, named)
        return run

    def call(
        self, function: Callable[Concatenate[Tracker, P], R], *arguments: P.args, **named: P.kwargs
    ) -> R:
        """What ``function``, of a module, gives for the tracker and the arguments; all of it can be pickled.

        Raises the InvarlockError that it raised, or making the tracker; RuntimeError with the traceback of any other;
        StoreError when the process has ended.
        """
        value: R = self._ask(False, function, arguments, named)
        return value

    def page_of(self, run: RunHandle) -> str:
        """The run's page in the UI."""
        return self.call(_page_of, run)

    def _ask(self, begins: bool, *call: object) -> Any:
        if self._waiting:
            raise RuntimeError(
                "an earlier call was interrupted: its answer would be taken for that of this one"
            )
        self._called = self._waiting = True
        try:
            self._calls.send((begins, *call))
            value, error, unexpected = self._calls.recv()
        except (EOFError, OSError) as gone:
            raise StoreError(
                "the process that writes to MLflow has ended",
                where=f"process {self._process.pid}",
                fix="see what it printed here, or the system's log if it was killed; the same command continues",
            ) from gone
        self._waiting = False
        if error is not None:
            raise error
        if unexpected is not None:
            raise RuntimeError(f"in the process that writes to MLflow:\n{unexpected}")
        return value


def _page_of(tracker: Tracker, run: RunHandle) -> str:
    return tracker.run_url(run.run_id)


def _serve(calls: Connection, home: Path, experiment: str) -> None:
    """Answer until the other side hangs up, also in the middle of a call or of an answer."""
    import mlflow.store.tracking.sqlalchemy_store  # noqa: F401  # as the next, beforehand: nobody waits yet

    from tasks.tracking import Tracker

    tracker: Tracker | None = None
    begun: list[RunHandle] = []
    while True:
        try:
            begins, function, arguments, named = calls.recv()
        except (EOFError, OSError):
            break
        value, error, unexpected = None, None, None
        try:
            tracker = tracker or Tracker(home, experiment)
            value = function(tracker, *arguments, **named)
            if begins:
                begun.append(value)
        except InvarlockError as refused:
            error = refused
        except Exception:  # noqa: BLE001  # told to the other process, which raises it
            unexpected = traceback.format_exc()
        try:
            calls.send((value, error, unexpected))
        except OSError:
            break
    if tracker is not None:
        for run in begun:
            tracker.fail(run)


def _main() -> None:
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(
            each, signal.SIG_IGN
        )  # sent to all of a service: the other process hangs up when it ends
    os.dup2(2, 1)  # what anything prints here is no output of the command
    with Connection(int(sys.argv[1])) as calls:
        _serve(calls, Path(sys.argv[2]), sys.argv[3])
    gc.freeze()  # whoever made this process waits for its end: no last look for garbage


if __name__ == "__main__":
    _main()
