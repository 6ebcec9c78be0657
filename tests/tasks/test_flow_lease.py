"""The dead are told from the living, and from those that are only about to live, on a real server."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.flow_engine import run_flow
from prefect.runtime import flow_run
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Crashed, Pending, Running, Scheduled

from tasks import flow_lease
from tasks.flow_lease import is_alive


@pytest.fixture(scope="module")
def client(embedded_home: Path) -> Any:
    with temporary_settings({"flows.heartbeat_frequency": None}), get_client(sync_client=True) as client:
        yield client


@flow(name="leased")
def leased(folder: Path) -> bool:
    """Whether everybody takes it for alive."""
    with flow_lease.flow_lease(folder), get_client(sync_client=True) as client:
        return is_alive(folder, flow_run.id) and client.read_flow_run(flow_run.id).state_name == "Running"


@flow(name="other")
def other() -> None: ...


def begun(client: SyncPrefectClient, folder: Path, *, attempts: int = 1) -> FlowRun:
    """A run whose process was killed in its first attempt; later attempts are under way, without a lease yet."""
    run = client.create_flow_run(other, state=Scheduled())
    client.set_flow_run_state(run.id, Running(), force=True)
    folder.mkdir(exist_ok=True)
    (folder / f"{run.id}.1").touch()
    for _ in range(attempts - 1):
        for state in (Crashed(), Scheduled(), Pending(), Running()):
            client.set_flow_run_state(run.id, state, force=True)
    return run


def state_of(client: SyncPrefectClient, run: FlowRun) -> str | None:
    return client.read_flow_run(run.id).state_name


def test_a_run_holds_its_lease_while_it_runs(client: SyncPrefectClient, tmp_path: Path) -> None:
    folder = tmp_path / "leases"
    assert leased(folder)
    assert list(folder.iterdir()) == []


def test_a_killed_run_is_ended_and_one_that_was_started_again_is_not(
    client: SyncPrefectClient, tmp_path: Path
) -> None:
    folder = tmp_path / "leases"
    killed, again = begun(client, folder), begun(client, folder, attempts=2)
    about_to_run = begun(client, folder)
    client.set_flow_run_state(about_to_run.id, Pending(), force=True)
    assert not is_alive(folder, str(killed.id))
    assert leased(folder)
    assert [state_of(client, run) for run in (killed, again, about_to_run)] == [
        "Crashed",
        "Running",
        "Pending",
    ]
    assert list(folder.iterdir()) == []
    for run in (again, about_to_run):
        client.delete_flow_run(run.id)


def test_a_run_does_not_end_itself_over_the_lease_of_its_first_attempt(
    client: SyncPrefectClient, tmp_path: Path
) -> None:
    run = client.create_flow_run(leased, parameters={"folder": str(tmp_path)}, state=Scheduled())
    client.set_flow_run_state(run.id, Running(), force=True)
    client.set_flow_run_state(run.id, Crashed(), force=True)
    client.set_flow_run_state(run.id, Scheduled(), force=True)
    (tmp_path / f"{run.id}.1").touch()
    run_flow(
        leased, flow_run=client.read_flow_run(run.id), parameters={"folder": tmp_path}, return_type="state"
    )
    assert state_of(client, run) == "Completed"


def test_nobody_sees_a_lease_that_is_not_yet_held(
    client: SyncPrefectClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another flow begins just before this one locks the lease that it has made."""
    folder, lock = tmp_path / "leases", fcntl.flock
    others: list[Thread] = []

    def another() -> None:
        with temporary_settings({PREFECT_API_URL: os.environ["PREFECT_API_URL"]}):
            leased(folder)

    def lock_later(file: Any, how: int) -> None:
        if Path(file.name).parent == folder and not others:
            others.append(Thread(target=another))
            others[0].start()
            others[0].join(timeout=2)
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", lock_later)
    assert leased(folder)
    others[0].join()
    assert list(folder.iterdir()) == []
