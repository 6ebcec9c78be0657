"""``up``, ``status`` and ``down`` with the real servers, once through in order."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from urllib.request import urlopen

import psutil
import pytest
import typer
from typer.testing import CliRunner, Result

from invarlock.cli.services import down, status, up
from invarlock.errors import ConfigError

app = typer.Typer()
for command in (up, down, status):
    app.command()(command)

Run = Callable[..., Result]
STOPPED = {"prefect": "stopped", "mlflow": "stopped", "worker": "stopped"}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    for name in list(os.environ):
        if name.startswith(("PREFECT_", "MLFLOW_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("INVARLOCK_HOME", str(tmp_path / "home"))

    def invoke(*arguments: str) -> Result:
        result = CliRunner().invoke(app, arguments, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result

    return invoke


def states(result: Result) -> dict[str, str]:
    return {name: service["state"] for name, service in json.loads(result.stdout).items()}


@pytest.mark.slow
def test_up_status_down(run: Run) -> None:
    try:
        first = json.loads(run("up", "--json").stdout)
        assert {name: service["state"] for name, service in first.items()} == {
            "prefect": "running",
            "mlflow": "running",
            "worker": "stopped",
        }
        for service in (first["prefect"], first["mlflow"]):
            with urlopen(service["url"]) as page:
                assert b"<html" in page.read().lower()
        assert json.loads(run("up", "--json").stdout) == first  # the same servers, left alone
        shown = run("status").stdout
        assert first["prefect"]["url"] in shown
        assert first["mlflow"]["url"] in shown
    finally:
        stopped = json.loads(run("down", "--json").stdout)
    assert stopped == {"stopped": ["prefect", "mlflow"]}
    assert states(run("status", "--json")) == STOPPED


def test_down_and_status_on_a_fresh_home(run: Run) -> None:
    assert "nothing was running" in run("down").stdout
    assert states(run("status", "--json")) == STOPPED
    assert "invarlock up" in run("status").stdout


def test_servers_named_in_the_environment_are_shown_and_left_alone(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://prefect.example/api")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.example")
    services = json.loads(run("up", "--json").stdout)
    assert {service["state"] for service in (services["prefect"], services["mlflow"])} == {"external"}
    assert services["mlflow"]["url"] == "http://mlflow.example"
    assert json.loads(run("down", "--json").stdout) == {"stopped": []}


@pytest.mark.parametrize("variable", ["PREFECT_API_URL", "MLFLOW_TRACKING_URI"])
def test_a_password_in_an_address_is_not_shown(
    run: Run, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://prefect.example/api")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.example")
    monkeypatch.setenv(variable, "http://bob:s3cret@server.example")
    for command in ("status", "up"):
        with pytest.raises(ConfigError, match="holds credentials") as refused:
            run(command)
        assert "s3cret" not in str(refused.value)


def test_a_host_must_be_an_address(run: Run) -> None:
    with pytest.raises(ConfigError, match="no IPv4 address"):
        run("up", "--host", "everywhere")


@pytest.mark.slow
def test_listening_beyond_this_machine_is_warned_of_and_a_running_server_is_not_moved(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.example")
    try:
        found = run("up", "--host", "0.0.0.0")
        assert "without" not in found.stdout
        assert "unless authentication stands in front" in " ".join(found.stderr.split())
        port = json.loads((tmp_path / "home/prefect/server/address.json").read_text())["port"]
        listening = [
            c.laddr for c in psutil.net_connections("tcp4") if c.status == "LISTEN" and c.laddr.port == port
        ]
        assert [address.ip for address in listening] == ["0.0.0.0"]
        with pytest.raises(ConfigError, match=r"already, on 0\.0\.0\.0"):
            run("up", "--host", "127.0.0.1")
    finally:
        run("down")
