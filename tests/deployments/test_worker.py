"""``up --worker`` on a fresh home: a cron falls due, the worker runs the sweep, and ``down`` leaves nothing behind."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import psutil
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from tests.cli.run_cli import run_cli
from tests.flows.sweeps import write_config

pytestmark = pytest.mark.slow
SECRET = "operator:not-the-default"
DEPLOYMENTS = """
pull:
  - prefect.deployments.steps.set_working_directory:
      directory: "{{ $PWD }}"
deployments:
  - name: minutely
    entrypoint: flows.null_sweep.null_sweep
    parameters:
      request: {config: %s, out: swept, tiers: [balanced], seeds: [1], profile: dev, fresh: true}
    work_pool: {name: local, work_queue_name: a-model}
    schedules: [{slug: each-minute, cron: "* * * * *", timezone: UTC}]
    concurrency_limit: {limit: 1, collision_strategy: CANCEL_NEW}
"""


def test_a_schedule_runs_in_the_worker(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith(("PREFECT_", "MLFLOW_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("INVARLOCK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/runs.db")  # no UI is needed here
    monkeypatch.setenv("PREFECT_SERVER_API_AUTH_STRING", SECRET)
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", SECRET)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deployments").mkdir()
    (tmp_path / "deployments/prefect.yaml").write_text(DEPLOYMENTS % write_config(tmp_path, windows=3))
    try:
        services = json.loads(run_cli(capfd, "up", "--worker", "--json").out)
        assert services["worker"]["state"] == "running"
        done = first_completed(f"{services['prefect']['url']}/api", seconds=240)
        assert done.auto_scheduled
        assert (tmp_path / "swept/null_sweep_report.json").is_file()
        worker = psutil.Process(services["worker"]["pid"])
        ours = [worker, *worker.children(recursive=True)]
    finally:
        down = json.loads(run_cli(capfd, "down", "--json").out)
    assert down["stopped"] == ["worker", "prefect"]
    left = [process.cmdline() for process in psutil.wait_procs(ours, timeout=0)[1]]
    assert left == []
    logs = [path.read_text() for path in (tmp_path / "home").rglob("server.log")]
    assert len(logs) == 2
    assert not any("not-the-default" in log for log in logs)


def first_completed(api: str, seconds: float) -> FlowRun:
    deadline = time.monotonic() + seconds
    settings = {PREFECT_API_URL: api, PREFECT_API_AUTH_STRING: SECRET}
    with temporary_settings(settings), get_client(sync_client=True) as client:
        while True:
            runs = client.read_flow_runs()
            assert not any(run.state_name in ("Failed", "Crashed") for run in runs)
            if done := [run for run in runs if run.state_name == "Completed"]:
                return done[0]
            assert time.monotonic() < deadline, [run.state_name for run in runs]
            time.sleep(1)
