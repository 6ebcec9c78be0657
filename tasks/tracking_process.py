"""MLflow in a process of its own, beside the one that measures.

Importing MLflow takes seconds, and writing its runs shares one interpreter lock with the forward passes; in another
process both cost neither (docs/decisions/0164-mlflow-beside.md). Calls go there one at a time and are waited for. The
process ends when the one that made it does, killed or not: its standard input is closed then.

    python -m tasks.tracking_process HOME EXPERIMENT    # calls on standard input, answers on standard output
"""

from __future__ import annotations

import gc
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Concatenate, ParamSpec, Self, TypeVar

from invarlock.errors import InvarlockError, StoreError
from tasks.tracking_records import RunHandle

if TYPE_CHECKING:
    from tasks.tracking import Tracker  # imports MLflow

P = ParamSpec("P")
R = TypeVar("R")


class TrackingProcess:
    """A :class:`tasks.tracking.Tracker` elsewhere. What it raises when it is made, the first call raises.

    Parameters
    ----------
    home, experiment: as of the tracker.
    """

    def __init__(self, home: Path, experiment: str) -> None:
        # In a session of its own: Ctrl-C at the terminal ends this process, which then has the run marked.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tasks.tracking_process", str(home), experiment],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self._numbers = count()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for stream in self._streams():
            with suppress(BrokenPipeError):  # it ended first, and a call is still in the buffer
                stream.close()
        self._process.wait()

    def call(
        self, function: Callable[Concatenate[Tracker, P], R], *arguments: P.args, **named: P.kwargs
    ) -> R:
        """What ``function``, of a module, gives for the tracker and the arguments; all of it can be pickled.

        Raises the InvarlockError that it raised, StoreError when the process ended.
        """
        number = next(self._numbers)
        calls, answers = self._streams()
        try:
            pickle.dump((number, function, arguments, named), calls)
            calls.flush()
            answered = None
            while answered != number:  # an earlier call may have been interrupted before its answer was read
                answered, value, refused = pickle.load(answers)
        except (EOFError, BrokenPipeError) as error:
            raise StoreError(
                "the process that writes to MLflow has ended",
                where=f"process {self._process.pid}",
                fix="see above what it said; then give the same command again, which continues",
            ) from error
        if refused is not None:
            raise refused
        given: R = value
        return given

    @contextmanager
    def logged(
        self, begin: Callable[Concatenate[Tracker, P], RunHandle], *arguments: P.args, **named: P.kwargs
    ) -> Iterator[RunHandle]:
        """The run that ``begin`` begins; marked FAILED when the block does not end well, unless it was complete."""
        run = self.call(begin, *arguments, **named)
        done = False
        try:
            yield run
            done = True
        finally:
            if not done and not run.complete:
                self.call(_fail, run)

    def page_of(self, run: RunHandle) -> str:
        """The run's page in the UI."""
        return self.call(_page_of, run)

    def _streams(self) -> tuple[IO[bytes], IO[bytes]]:
        calls, answers = self._process.stdin, self._process.stdout
        assert calls is not None  # both are pipes
        assert answers is not None
        return calls, answers


def _fail(tracker: Tracker, run: RunHandle) -> None:
    tracker.fail(run)


def _page_of(tracker: Tracker, run: RunHandle) -> str:
    return tracker.run_url(run.run_id)


def _serve(calls: IO[bytes], answers: IO[bytes], home: Path, experiment: str) -> None:
    from tasks.tracking import Tracker  # late: this module is also imported where MLflow is not

    made = _outcome(partial(Tracker, home, experiment))  # at once, while nobody waits for it
    while (call := _next(calls)) is not None:
        number, function, arguments, named = call
        tracker, refused = made
        value = None
        if refused is None:
            value, refused = _outcome(partial(function, tracker, *arguments, **named))
        pickle.dump((number, value, refused), answers)
        answers.flush()


def _next(calls: IO[bytes]) -> tuple[Any, ...] | None:
    try:
        call: tuple[Any, ...] = pickle.load(calls)
    except EOFError:
        return None
    return call


def _outcome(function: Callable[[], object]) -> tuple[object, InvarlockError | None]:
    try:
        return function(), None
    except InvarlockError as error:
        return None, error


def _main() -> None:
    calls, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what anything prints is no answer
    _serve(calls, answers, Path(sys.argv[1]), sys.argv[2])
    gc.freeze()  # whoever made this process waits for its end: no last look for garbage


if __name__ == "__main__":
    _main()
