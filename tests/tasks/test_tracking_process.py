"""MLflow in another process: what it answers, what it refuses, and what is left when either process dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from mlflow import MlflowClient

from invarlock.errors import StoreError
from tasks.local_services import embedded_tracking_uri, mlflow_home
from tasks.sweep_log import log_cell
from tasks.tracking import Tracker
from tasks.tracking_process import TrackingProcess
from tasks.tracking_records import RunHandle
from tests.tasks.sweep_logging import cell_run

EXPERIMENT = "tracking process test"
ORPHAN = """
import os, signal, sys
from pathlib import Path
from tasks.tracking_process import TrackingProcess
tracking = TrackingProcess(Path(sys.argv[1]), "orphan")
print(tracking._process.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def begin(tracker: Tracker, key: str) -> RunHandle:
    print("what is printed there is no answer")
    return tracker.sweep_run(key, "a sweep", {"tier": "balanced"}, {})


def finish(tracker: Tracker, run: RunHandle) -> RunHandle:
    return tracker.finish(run, {"summary.md": b"# done\n"})


def refuse(tracker: Tracker) -> None:
    raise StoreError("not this one", where="a place", fix="ask for another")


def die(tracker: Tracker) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def tracking(home: Path) -> Iterator[TrackingProcess]:
    with TrackingProcess(home, EXPERIMENT) as process:
        yield process


def status(home: Path, run: RunHandle) -> str:
    client = MlflowClient(embedded_tracking_uri(home))
    return str(client.get_run(run.run_id).info.status)


def test_runs_and_their_cells_are_in_the_database_of_the_home(home: Path, tracking: TrackingProcess) -> None:
    with tracking.logged(begin, "a whole sweep") as run:
        tracking.call(log_cell, run, cell_run("runs/balanced/seed_0"))
        tracking.call(log_cell, run, cell_run("runs/balanced/seed_0"))
        assert tracking.call(finish, run).complete
    tracker = Tracker(home, EXPERIMENT)
    assert len(tracker.find_runs("mlflow.parentRunId", run.run_id)) == 1
    assert status(home, run) == "FINISHED"
    assert tracking.page_of(run) == tracker.run_url(run.run_id)


def test_a_block_that_does_not_end_well_fails_its_run(home: Path, tracking: TrackingProcess) -> None:
    with pytest.raises(KeyboardInterrupt), tracking.logged(begin, "interrupted") as run:
        raise KeyboardInterrupt
    assert status(home, run) == "FAILED"


def test_what_is_refused_there_is_raised_here_and_ends_nothing(tracking: TrackingProcess) -> None:
    with pytest.raises(StoreError, match="not this one") as refused:
        tracking.call(refuse)
    assert (refused.value.where, refused.value.fix) == ("a place", "ask for another")
    assert tracking.call(begin, "after a refusal").run_id


def test_a_tracker_that_cannot_be_made_is_told_by_the_first_call(tmp_path: Path) -> None:
    database = mlflow_home(tmp_path) / "mlflow.db"
    database.parent.mkdir(parents=True)
    database.write_bytes(b"no database" * 1000)
    with TrackingProcess(tmp_path, EXPERIMENT) as tracking:
        for _ in range(2):
            with pytest.raises(StoreError, match="the MLflow database cannot be read") as refused:
                tracking.call(begin, "never")
            assert refused.value.where == str(database)


def test_a_process_that_was_killed_is_told_as_that(home: Path) -> None:
    with TrackingProcess(home, EXPERIMENT) as tracking:
        for function in (die, refuse):
            with pytest.raises(StoreError, match="the process that writes to MLflow has ended"):
                tracking.call(function)


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_it_ends_with_a_process_that_is_killed(tmp_path: Path) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", ORPHAN, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    deadline = time.monotonic() + 60
    while alive(int(killed.stdout)):
        assert time.monotonic() < deadline
        time.sleep(0.1)
