"""Local servers: one for a home whoever starts it, told apart from the dead, stopped whole."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.request import urlopen

import psutil
import pytest

from invarlock.errors import ConfigError, StoreError
from tasks.background_server import BackgroundServer, ServerState
from tasks.local_address import HOST, free_port
from tasks.local_services import (
    ensure_prefect_server,
    mlflow_ui_url,
    prefect_server,
    quiet_environment,
    tracking_uri,
)

MakeServer = Callable[..., BackgroundServer]
PORT = 23700
# A web server that has a child of its own, which serves; like MLflow's.
SERVE = """
import subprocess, sys
sys.exit(subprocess.run([sys.executable, "-m", "http.server", "--bind", "127.0.0.1", sys.argv[1]]).returncode)
"""


@pytest.fixture
def make_server(tmp_path: Path) -> Iterator[MakeServer]:
    made: list[BackgroundServer] = []

    def make(home: str = "one", program: str = SERVE, health: str = "/") -> BackgroundServer:
        server = BackgroundServer(
            name=home,
            folder=tmp_path / home,
            preferred_port=PORT,
            health=health,
            command=lambda port: [sys.executable, "-c", program, str(port)],
            environment=os.environ,
        )
        made.append(server)
        return server

    yield make
    for server in made:
        server.stop()


def port_of(server: BackgroundServer) -> int:
    address = server.status().address
    assert address is not None
    return address.port


def test_starting_again_finds_the_same_server(make_server: MakeServer) -> None:
    first, second = make_server().start(), make_server().start()
    assert (first.pid, first.address) == (second.pid, second.address)
    assert first.state is ServerState.RUNNING


def test_many_that_start_at_once_get_one(make_server: MakeServer) -> None:
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda _: make_server().start(), range(6)))
    assert len({status.pid for status in found}) == 1


def test_stop_ends_children_too_and_frees_the_port(make_server: MakeServer) -> None:
    server = make_server()
    port = port_of(server) if server.start() else 0
    assert server.stop() is True
    assert server.stop() is False
    assert server.status().state is ServerState.STOPPED
    assert free_port(port) == port


def test_a_taken_port_is_passed_over(make_server: MakeServer) -> None:
    with socket.create_server((HOST, PORT)):
        status = make_server().start()
    assert status.url != f"http://{HOST}:{PORT}"


def test_another_home_is_not_touched(make_server: MakeServer) -> None:
    one, two = make_server("one"), make_server("two")
    kept = one.start()
    two.start()
    assert port_of(one) != port_of(two)
    two.stop()
    assert one.status() == kept


def test_a_killed_server_is_dead_and_its_orphans_are_ended_before_the_next(make_server: MakeServer) -> None:
    server = make_server()
    first = server.start()
    assert first.pid is not None
    os.kill(first.pid, signal.SIGKILL)
    wait_until(lambda: server.status().state is ServerState.DEAD)
    with urlopen(first.url) as page:  # the child that serves is still there
        assert page.status == 200
    second = server.start()
    assert second.pid != first.pid
    assert second.url == first.url  # so the orphan gave its port back


def test_a_record_whose_process_number_is_used_again_harms_nobody(make_server: MakeServer) -> None:
    server = make_server()
    server.folder.mkdir()
    (server.folder / "process").write_text(f"{os.getpgid(0)} {os.getpid()}\n")
    address = {"port": free_port(PORT + 50), "url": f"http://{HOST}:{PORT + 50}", "started": 1.0}
    (server.folder / "address.json").write_text(json.dumps(address))
    assert server.status().state is ServerState.DEAD
    assert server.stop() is False  # and this test goes on living
    assert server.status().state is ServerState.STOPPED


def test_a_server_that_ends_at_once_is_an_error_with_its_last_words(make_server: MakeServer) -> None:
    with pytest.raises(StoreError, match="no such database"):
        make_server(program="raise SystemExit('no such database')").start()


def test_a_server_that_never_answers_is_an_error(make_server: MakeServer) -> None:
    with pytest.raises(StoreError, match="does not answer"):
        make_server(health="/missing").start(seconds=1.0)


def test_servers_named_in_the_environment_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://prefect.example/api")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.example/")
    assert ensure_prefect_server(tmp_path) == "http://prefect.example/api"
    assert prefect_server(tmp_path).status().state is ServerState.STOPPED
    assert tracking_uri(tmp_path) == "http://mlflow.example/"
    assert mlflow_ui_url(tmp_path) == "http://mlflow.example"


@pytest.mark.parametrize(
    "address",
    [
        "http://bob:s3cret@mlflow.example/",
        "HTTPS://bob:s3/cret@mlflow.example",
        "http://s3cret@mlflow.example",
        "postgresql://bob:s3cret@db/mlflow",
    ],
)
def test_an_address_with_credentials_is_refused_and_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", address)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    for ask, variable in (ensure_prefect_server, "PREFECT_API_URL"), (tracking_uri, "MLFLOW_TRACKING_URI"):
        with pytest.raises(ConfigError, match="holds credentials") as refused:
            ask(tmp_path)
        assert variable in str(refused.value)
        assert "s3" not in str(refused.value)


@pytest.mark.parametrize(
    "address", ["http://mlflow.example/a", "postgresql://bob@db/mlflow", "sqlite:////home/a@b/mlflow.db"]
)
def test_an_address_without_a_password_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    assert tracking_uri(tmp_path) == address


def test_the_environment_is_quiet_and_keeps_what_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_LOGGING_LEVEL", "DEBUG")
    monkeypatch.setenv("NO_PROXY", "example.org")
    monkeypatch.delenv("PREFECT_HOME", raising=False)
    quiet = quiet_environment(tmp_path)
    assert quiet["MLFLOW_LOGGING_LEVEL"] == "DEBUG"
    assert quiet["NO_PROXY"] == "example.org,127.0.0.1,localhost"
    assert quiet["PREFECT_HOME"] == str(tmp_path / "prefect")
    assert quiet["DO_NOT_TRACK"] == "1"


def test_a_server_hears_nothing_of_other_servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_SERVER_DATABASE_CONNECTION_URL", "sqlite+aiosqlite:////elsewhere.db")
    monkeypatch.setenv("PREFECT_API_URL", "http://prefect.example/api")
    environment = prefect_server(tmp_path).environment
    assert "PREFECT_API_URL" not in environment
    assert "PREFECT_SERVER_DATABASE_CONNECTION_URL" not in environment
    assert environment["PREFECT_HOME"] == str(tmp_path / "prefect")


def wait_until(holds: Callable[[], bool], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


APART = """
import subprocess, sys
apart = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(99)"], start_new_session=True)
open("apart", "w").write(str(apart.pid))
sys.exit(subprocess.run([sys.executable, "-m", "http.server", "--bind", "127.0.0.1", sys.argv[1]]).returncode)
"""


def test_stop_ends_what_the_server_started_in_a_session_of_its_own(make_server: MakeServer) -> None:
    server = make_server(program=APART)
    server.start()
    apart = psutil.Process(int((server.folder / "apart").read_text()))
    assert os.getpgid(apart.pid) == apart.pid
    server.stop()
    wait_until(lambda: not apart.is_running())
