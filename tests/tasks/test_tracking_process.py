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
from tasks.tracking import RUN_KEY, Tracker
from tasks.tracking_process import TrackingProcess
from tasks.tracking_records import RunHandle
from tests.tasks.sweep_logging import cell_run

EXPERIMENT = "tracking process test"
ORPHAN = """
import os, signal, sys
from pathlib import Path
from tasks.tracking_process import TrackingProcess
from tests.tasks.test_tracking_process import EXPERIMENT, begin
tracking = TrackingProcess(Path(sys.argv[1]), EXPERIMENT)
run = tracking.begin(begin, "orphaned")
print(tracking._process.pid, run.run_id, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def begin(tracker: Tracker, key: str) -> RunHandle:
    print("what is printed there is no answer")
    return tracker.sweep_run(key, "a sweep", {"tier": "balanced"}, {})


def finish(tracker: Tracker, run: RunHandle) -> RunHandle:
    return tracker.finish(run, {"summary.md": b"# done\n"})


def refuse(tracker: Tracker) -> None:
    raise StoreError("not this one", where="a place", fix="ask for another")


def interrupt(tracker: Tracker, maker: int, run: RunHandle) -> RunHandle:
    """Ctrl-C at the terminal of the process that waits, in the middle of a call that ends well."""
    os.kill(maker, signal.SIGINT)
    time.sleep(0.5)
    return finish(tracker, run)


def begin_interrupted(tracker: Tracker, maker: int, key: str) -> RunHandle:
    os.kill(maker, signal.SIGINT)
    time.sleep(0.5)
    return begin(tracker, key)


def stumble(tracker: Tracker) -> None:
    raise OSError("no space left")


def length(tracker: Tracker, data: bytes) -> tuple[int, bytes]:
    return len(data), data


def die(tracker: Tracker) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def tracking(home: Path) -> Iterator[TrackingProcess]:
    with TrackingProcess(home, EXPERIMENT) as process:
        yield process


@pytest.fixture
def interruptible() -> Iterator[None]:
    """SIGINT interrupts, also where the tests were started in the background, with that signal ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def status(home: Path, run_id: str) -> str:
    client = MlflowClient(embedded_tracking_uri(home))
    return str(client.get_run(run_id).info.status)


def test_runs_and_their_cells_are_in_the_database_of_the_home(home: Path) -> None:
    with TrackingProcess(home, EXPERIMENT) as tracking:
        run = tracking.begin(begin, "a whole sweep")
        tracking.call(log_cell, run, cell_run("runs/balanced/seed_0"))
        tracking.call(log_cell, run, cell_run("runs/balanced/seed_0"))
        assert tracking.call(finish, run).complete
        page = tracking.page_of(run)
    tracker = Tracker(home, EXPERIMENT)
    assert len(tracker.find_runs("mlflow.parentRunId", run.run_id)) == 1
    assert status(home, run.run_id) == "FINISHED"
    assert page == tracker.run_url(run.run_id)


def test_a_run_that_is_not_completed_in_the_block_has_failed(home: Path) -> None:
    with TrackingProcess(home, EXPERIMENT) as tracking:
        run = tracking.begin(begin, "fails")
        assert status(home, run.run_id) == "RUNNING"
    assert status(home, run.run_id) == "FAILED"


@pytest.mark.usefixtures("interruptible")
def test_an_interrupted_wait_for_the_end_leaves_a_complete_run_complete(home: Path) -> None:
    with TrackingProcess(home, EXPERIMENT) as tracking:
        run = tracking.begin(begin, "interrupted at the end")
        with pytest.raises(KeyboardInterrupt):
            tracking.call(interrupt, os.getpid(), run)
    assert status(home, run.run_id) == "FINISHED"
    assert Tracker(home, EXPERIMENT).sealed_files(run.run_id)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupted_begin_leaves_no_run_running(home: Path) -> None:
    with TrackingProcess(home, EXPERIMENT) as tracking:
        with pytest.raises(KeyboardInterrupt):
            tracking.begin(begin_interrupted, os.getpid(), "interrupted at once")
        with pytest.raises(RuntimeError, match="an earlier call was interrupted"):
            tracking.call(refuse)
    (run,) = Tracker(home, EXPERIMENT).find_runs(RUN_KEY, "interrupted at once")
    assert status(home, run.run_id) == "FAILED"


def test_any_other_error_comes_with_its_traceback_and_ends_nothing(tracking: TrackingProcess) -> None:
    with pytest.raises(RuntimeError, match=r"(?s)in stumble.*OSError: no space left"):
        tracking.call(stumble)
    assert tracking.call(length, b"x" * 1_000_000) == (1_000_000, b"x" * 1_000_000)


def test_what_lies_where_the_user_stands_is_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("tasks.py", "random.py"):
        (tmp_path / name).write_text("raise SystemExit('not ours')\n")
    monkeypatch.chdir(tmp_path)
    with TrackingProcess(tmp_path / "home", EXPERIMENT) as tracking:
        assert tracking.call(length, b"12") == (2, b"12")


def test_sweeps_keep_mlflow_out_of_their_process() -> None:
    code = "import sys, flows.calibrate_all; sys.exit('mlflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_is_refused_there_is_raised_here_and_ends_nothing(tracking: TrackingProcess) -> None:
    with pytest.raises(StoreError, match="not this one") as refused:
        tracking.call(refuse)
    assert (refused.value.where, refused.value.fix) == ("a place", "ask for another")
    assert tracking.begin(begin, "after a refusal").run_id


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
    told = pytest.raises(StoreError, match="the process that writes to MLflow has ended")
    with TrackingProcess(home, EXPERIMENT) as tracking, told:
        tracking.call(die)


def test_it_marks_the_run_of_a_process_that_was_killed_and_ends(home: Path) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", ORPHAN, str(home)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,  # which the other process does not hold: what it prints is an error's
        text=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    orphan, run_id = killed.stdout.split()
    deadline = time.monotonic() + 60
    while alive(int(orphan)):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert status(home, run_id) == "FAILED"


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
