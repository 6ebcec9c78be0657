"""A Prefect server that does not answer, is none, or has a password that this process lacks: told before any work."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from prefect.settings import PREFECT_API_AUTH_STRING, temporary_settings

from invarlock.errors import StoreError
from invarlock.home import shipped
from invarlock.promotion.request_store import RequestStore
from invarlock.promotion.requests import State
from tasks.local_address import HOST, free_port
from tasks.local_services import prefect_api_url, prefect_server
from tasks.server_access import ensure_access
from tasks.tracking import Tracker
from tests.promotion.config_root import checked, epsilon, requested, small_root, sweep_patch

PASSWORD = "operator:open sesame"
REFUSED = "the Prefect server does not let this process in: 401 Unauthorized"
Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home whose Prefect server has a password."""
    home = tmp_path_factory.mktemp("guarded")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_SERVER_API_AUTH_STRING", PASSWORD)
        server = prefect_server(home)
        server.start()
    try:
        yield home
    finally:
        server.stop()


@pytest.fixture
def command(guarded: Path, tmp_path: Path) -> Command:
    """``invarlock ARGUMENTS`` in a shell that lacks the password, unless it is given."""
    small_root(tmp_path / "configs")
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "MLFLOW_"))
    }
    own = {"INVARLOCK_HOME": str(guarded), "INVARLOCK_CONFIG_ROOT": str(tmp_path / "configs")}

    def run(*arguments: object, **more: str) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-m", "invarlock.cli", *map(str, arguments)]
        return subprocess.run(
            words, env=clean | own | more, cwd=tmp_path, capture_output=True, text=True, check=False
        )

    return run


@pytest.mark.slow
def test_a_server_with_a_password_lets_in_who_has_it(guarded: Path) -> None:
    api = prefect_api_url(prefect_server(guarded).status().url)
    with temporary_settings({PREFECT_API_AUTH_STRING: PASSWORD}):
        ensure_access(api)
    for wrong in (None, "operator:close sesame"):
        with (
            temporary_settings({PREFECT_API_AUTH_STRING: wrong}),
            pytest.raises(StoreError, match=REFUSED) as refused,
        ):
            ensure_access(api)
        assert "set PREFECT_API_AUTH_STRING" in str(refused.value)
        assert refused.value.where == api


@pytest.mark.slow
def test_commands_that_run_a_flow_say_so_before_anything_is_kept(
    command: Command, guarded: Path, tmp_path: Path
) -> None:
    root = tmp_path / "configs"
    (tmp_path / "patch.yaml").write_bytes(sweep_patch(root, epsilon(0.02)))
    shipped_configs = str(shipped("configs"))
    demo = f"{shipped_configs}/calibration/null_sweep_demo.yaml"
    for refused in (
        command("promote", "request", "patch.yaml", "--reason", "r"),
        command("worker"),
        command("calibrate", "null-sweep", "--config", demo, INVARLOCK_CONFIG_ROOT=shipped_configs),
    ):
        assert (refused.returncode, REFUSED in refused.stderr) == (2, True), refused.stderr
        assert "PREFECT_API_AUTH_STRING" in refused.stderr
        assert "Traceback" not in refused.stderr
    assert not (root / "runtime/promotions").exists()
    assert not (guarded / "measurements").exists()


@pytest.mark.slow
def test_an_answer_is_kept_though_the_server_could_not_be_told(command: Command, tmp_path: Path) -> None:
    root = tmp_path / "configs"
    request = requested(root, epsilon(0.02))
    checked(root, request)
    approved = command("promote", "approve", request.id, "--reason", "r", "--as", "bea")
    assert approved.returncode == 0
    assert "kept, but flow runs that wait for it could not be told:" in approved.stderr
    assert REFUSED in approved.stderr
    assert RequestStore(root).state(request.id) is State.APPROVED


@pytest.mark.slow
def test_doctor_asks_the_server_as_commands_do(command: Command) -> None:
    def finding(**more: str) -> dict[str, str]:
        found = {each["subject"]: each for each in json.loads(command("doctor", "--json", **more).stdout)}
        return dict(found["prefect server"])

    assert finding(PREFECT_API_AUTH_STRING=PASSWORD)["level"] == "ok"
    refused = finding()
    assert (refused["level"], REFUSED in refused["what"]) == ("problem", True)
    assert "PREFECT_API_AUTH_STRING" in refused["fix"]


def test_an_mlflow_server_with_a_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(401) as url:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", url)
        with pytest.raises(StoreError, match="the MLflow server does not let this process in") as refused:
            Tracker(tmp_path, "guarded")
    assert "MLFLOW_TRACKING_PASSWORD" in str(refused.value)


def test_a_server_that_does_not_answer() -> None:
    with pytest.raises(StoreError, match="the Prefect server does not answer: ") as refused:
        ensure_access(f"http://{HOST}:{free_port(23900)}/api")
    assert "PREFECT_API_URL" in str(refused.value)
    with pytest.raises(StoreError, match="missing an 'http://'"):
        ensure_access("prefect.example/api")


@pytest.mark.parametrize(("status", "told"), [(200, "not what Prefect's version is"), (404, "404 Not Found")])
def test_something_else_that_answers(status: int, told: str) -> None:
    with answering(status) as url, pytest.raises(StoreError, match=f"is none, or is ill: {told}"):
        ensure_access(f"{url}/api")


@contextmanager
def answering(status: int) -> Iterator[str]:
    """A web server that answers everything alike."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"<html></html>")

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer((HOST, 0), Page)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://{HOST}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
