"""Passwords of servers: where they belong, they reach nothing that is kept or shown; elsewhere they are refused."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from prefect import flow
from prefect.artifacts import Artifact
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_UI_URL, temporary_settings

from invarlock.errors import ConfigError
from tasks.artifacts import flow_run_url, show_link
from tasks.local_services import MLFLOW_TRACKING_URI
from tasks.tracking import Tracker
from tasks.tracking_policies import policy_url
from tests.tasks.sweep_logging import log_sweep

SECRET = "s3cret-of-bob"


def test_a_password_in_its_variable_is_in_no_log_parameter_or_artifact(
    embedded_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "bob")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", SECRET)
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", f"bob:{SECRET}")
    links: list[str] = []

    @flow(name="logs with a password")
    def logs() -> str | None:
        tracker = Tracker(tmp_path, "credentials")
        log_sweep(tracker, "with a password")
        links.extend((tracker.run_url("r"), policy_url(tracker, "1")))
        show_link("credentials", links[0], "the run", "of a server with a password")
        return flow_run_url()

    with caplog.at_level(logging.DEBUG):
        links.append(str(logs()))
    artifact = Artifact.get("credentials")
    with get_client(sync_client=True) as client:
        shown = [run.model_dump_json() for run in client.read_flow_runs()]
        shown += [log.model_dump_json() for log in client.read_logs()]
    for text in (caplog.text, str(artifact), *shown, *links):
        assert SECRET not in text
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.name == "mlflow.db" for path in kept)
    assert [path for path in kept if SECRET.encode() in path.read_bytes()] == []


def test_a_password_in_an_address_reaches_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MLFLOW_TRACKING_URI, f"http://bob:{SECRET}@mlflow.example")
    with pytest.raises(ConfigError, match="MLFLOW_TRACKING_PASSWORD") as refused:
        Tracker(tmp_path, "credentials")
    assert SECRET not in str(refused.value)
    assert list(tmp_path.rglob("*")) == []


def test_a_password_in_the_address_of_the_page_is_refused(embedded_home: Path) -> None:
    @flow(name="has a page")
    def links() -> str | None:
        return flow_run_url()

    with (
        temporary_settings({PREFECT_UI_URL: f"http://bob:{SECRET}@prefect.example"}),
        pytest.raises(ConfigError, match="PREFECT_UI_URL") as refused,
    ):
        links()
    assert SECRET not in str(refused.value)
