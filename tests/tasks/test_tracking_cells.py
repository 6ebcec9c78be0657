"""The children of a sweep in a real MLflow database: none twice, none half, after any kill and beside others."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from invarlock.errors import StoreError
from tasks import tracking
from tasks.local_services import MLFLOW_TRACKING_URI
from tasks.tracking import PARENT, SEAL, Tracker
from tasks.tracking_cells import CellRuns
from tasks.tracking_records import RunHandle
from tests.tasks.sweep_logging import (
    CALLS,
    CELL_CALLS,
    DyingClient,
    Killed,
    cell_run,
    expected,
    log_sweep,
    program,
    what_is_there,
)

EXPERIMENT = "cells test"
CHILD = expected()[1:]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def tracker(home: Path) -> Tracker:
    return Tracker(home, EXPERIMENT)


def sweep(tracker: Tracker, key: str) -> RunHandle:
    return tracker.sweep_run(key, "sweep", {}, {})


def children(tracker: Tracker, parent: RunHandle) -> list[str]:
    return [run.run_id for run in tracker.find_runs(PARENT, parent.run_id)]


@contextmanager
def dying_at_commit(number: int) -> Iterator[None]:
    """Nothing is committed to a database from the n-th commit on: each is rolled back and raises Killed."""
    commits = 0

    def die(connection: Connection) -> None:
        nonlocal commits
        commits += 1
        if commits >= number:
            connection.connection.rollback()  # SQLAlchemy would leave it open, for the next one to commit
            raise Killed

    event.listen(Engine, "commit", die)
    try:
        yield
    finally:
        event.remove(Engine, "commit", die)


def test_after_a_death_at_any_commit_the_next_one_repairs(tracker: Tracker, tmp_path: Path) -> None:
    parent = sweep(tracker, "commits")
    for number in range(1, 100):  # MLflow commits parameters, metrics and tags of one call one by one
        cell = cell_run(f"commit {number}/seed_0")
        try:
            with dying_at_commit(number):
                CellRuns(tracker, parent).log(cell)
        except Killed:
            CellRuns(tracker, parent).log(cell)
            assert what_is_there(tracker, f"commit {number}", tmp_path) == CHILD
        else:
            break
    assert len(CELL_CALLS) < number < 99  # it died at every one, and then lived


@pytest.mark.slow
def test_programs_killed_before_and_after_the_seal(tmp_path: Path) -> None:
    tracker = Tracker(tmp_path, "sweeps")
    log_sweep(tracker, "the model")  # else it would be among the calls
    programs = [(call, program(tmp_path, call, 1 + CALLS.index(call, 2))) for call in CELL_CALLS[2:4]]
    for call, one in programs:
        error = one.communicate()[1].decode()[-500:]
        assert one.returncode == -signal.SIGKILL, error
        left = tracker.client.get_run(tracker.find_runs("sweep", call)[0].run_id)
        assert (left.info.status, SEAL in left.data.params) == ("RUNNING", call == "log_batch")
        log_sweep(tracker, call)
        assert what_is_there(tracker, call, tmp_path) == expected()


def test_what_was_sealed_is_not_replaced(tracker: Tracker, tmp_path: Path) -> None:
    parent = sweep(tracker, "sealed")
    dying = Tracker(tracker.home, EXPERIMENT)
    CellRuns(dying, parent).log(cell_run("other/seed_0"))  # the model is known from now on
    dying.client = DyingClient(dying.client, 1 + CELL_CALLS.index("log_batch"), raise_killed)
    with pytest.raises(Killed):
        CellRuns(dying, parent).log(cell_run("sealed/seed_0"))
    [run] = tracker.find_runs("sweep", "sealed")
    other_file = cell_run("sealed/seed_0", content=b'{"made": "later"}')
    other_param = replace(cell_run("sealed/seed_0"), params={"seed": "1"})
    for cell, why in (other_file, "that a killed process sealed"), (other_param, "Changing param values"):
        with pytest.raises(StoreError, match=why):
            CellRuns(tracker, parent).log(cell)
        assert tracker.client.get_run(run.run_id).info.status == "FAILED"
        assert tracker.download_verified(run.run_id, "report.json", tmp_path).read_bytes() == b"{}"
    CellRuns(tracker, parent).log(cell_run("sealed/seed_0"))
    assert what_is_there(tracker, "sealed", tmp_path) == CHILD


def raise_killed() -> None:
    raise Killed


def test_a_cell_again_is_left_as_it_is(tracker: Tracker, tmp_path: Path) -> None:
    parent = sweep(tracker, "again")
    cells = CellRuns(tracker, parent)
    first = cells.log(cell_run("again/seed_0"))
    later = cell_run("again/seed_0", content=b'{"made": "later"}')
    assert cells.log(later) == CellRuns(tracker, parent).log(later) == first
    assert what_is_there(tracker, "again", tmp_path) == CHILD
    assert tracker.download_verified(first.run_id, "report.json", tmp_path).read_bytes() == b"{}"


def test_a_cell_that_cannot_be_logged_is_failed_and_logged_later(tracker: Tracker, tmp_path: Path) -> None:
    parent = sweep(tracker, "failing")
    cells = CellRuns(tracker, parent)
    with pytest.raises(StoreError, match="6001 characters"):
        cells.log(replace(cell_run("failing/seed_0"), params={"seed": "x" * 6001}))
    [failed] = children(tracker, parent)
    assert tracker.client.get_run(failed).info.status == "FAILED"
    assert cells.log(cell_run("failing/seed_0")).run_id == failed
    assert what_is_there(tracker, "failing", tmp_path) == CHILD


def test_a_list_that_another_made_old(tracker: Tracker, tmp_path: Path) -> None:
    parent = sweep(tracker, "old list")
    mine, others = (CellRuns(Tracker(tracker.home, EXPERIMENT), parent) for _ in range(2))
    theirs = others.log(cell_run("old list/seed_0"))
    assert mine.log(cell_run("old list/seed_0")) == theirs
    assert others.log(cell_run("x/seed_1")) == mine.log(cell_run("x/seed_1"))
    assert mine.log(cell_run("x/seed_2")) == others.log(cell_run("x/seed_2"))
    assert len(children(tracker, parent)) == 3
    assert what_is_there(tracker, "old list", tmp_path) == CHILD


def test_a_run_that_another_made_and_was_killed_is_continued(tracker: Tracker, tmp_path: Path) -> None:
    parent = sweep(tracker, "old death")
    mine = CellRuns(tracker, parent)
    dying = Tracker(tracker.home, EXPERIMENT)
    dying.client = DyingClient(dying.client, 1, raise_killed)
    with pytest.raises(Killed):
        CellRuns(dying, parent).log(cell_run("old death/seed_0"))
    mine.log(cell_run("old death/seed_0"))
    assert what_is_there(tracker, "old death", tmp_path) == CHILD


def test_threads_that_log_one_sweep_make_each_cell_once(tracker: Tracker) -> None:
    parent = sweep(tracker, "threads")

    def log_all(_: int) -> list[RunHandle]:
        cells = CellRuns(Tracker(tracker.home, EXPERIMENT), parent)
        return [cells.log(cell_run(f"threads/seed_{seed}")) for seed in range(5)]

    with ThreadPoolExecutor(3) as pool:
        first, *others = pool.map(log_all, range(3))
    assert all(other == first for other in others)
    assert sorted(children(tracker, parent)) == sorted(run.run_id for run in first)


def test_homes_that_share_a_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MLFLOW_TRACKING_URI, f"sqlite:///{tmp_path / 'server.db'}")
    trackers = [Tracker(tmp_path / name, EXPERIMENT) for name in ("a", "b")]
    parent = sweep(trackers[0], "shared")
    mine, others = (CellRuns(tracker, parent) for tracker in trackers)
    assert mine.log(cell_run("shared/seed_0")) == others.log(cell_run("shared/seed_0"))
    assert len(children(trackers[0], parent)) == 1


def test_every_page_of_a_list_is_read(tracker: Tracker, monkeypatch: pytest.MonkeyPatch) -> None:
    parent = sweep(tracker, "pages")
    runs = [CellRuns(tracker, parent).log(cell_run(f"pages/seed_{seed}")) for seed in range(4)]
    monkeypatch.setattr(tracking, "_PAGE", 2)
    assert sorted(children(tracker, parent)) == sorted(run.run_id for run in runs)


def test_a_cell_takes_little_time(tracker: Tracker) -> None:
    cells = CellRuns(tracker, sweep(tracker, "speed"))
    params, metrics = {f"p{i}": "v" for i in range(12)}, {f"m{i}": 1.0 for i in range(12)}
    times = []
    for seed in range(10):
        cell = cell_run(f"speed/seed_{seed}", content=b"{}" * 5000)
        start = time.perf_counter()
        cells.log(replace(cell, params=params, metrics=metrics))
        times.append(time.perf_counter() - start)
    print(f"fastest {min(times):.3f} s, median {sorted(times)[5]:.3f} s a cell")
    assert min(times) < 0.2  # 0.03 on an idle machine
