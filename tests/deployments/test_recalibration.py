"""End to end: a schedule recalibrates the demo model in the worker, a person approves in the browser, policy changes
and is taken back. Real servers, real browser; ``--pictures FOLDER`` keeps what the browser showed."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_URL, temporary_settings

from invarlock.home import shipped
from invarlock.policy.tiers_file import live_tiers_path
from tests.browser import screenshot, text_of
from tests.cli.run_cli import Ran, run_cli
from tests.prefect_form import send_form

pytestmark = pytest.mark.slow
SWEEP = "null-sweep"
WEEKLY, MINUTELY = 'cron: "0 3 * * 1"', 'cron: "* * * * *"'
Run = Callable[..., Ran]


@dataclass(frozen=True)
class Services:
    """What `invarlock up --worker` printed: where each page is; and the server's own client."""

    prefect: str
    mlflow: str
    client: SyncPrefectClient

    def runs(self, flow: str) -> list[FlowRun]:
        """Runs of a flow that the worker began, oldest first: not those of commands, nor those skipped as pile-up."""
        flows = {each.id: each.name for each in self.client.read_flows()}
        runs = [run for run in self.client.read_flow_runs() if flows[run.flow_id] == flow]
        begun = [run for run in runs if run.start_time is not None and run.deployment_id is not None]
        return sorted(begun, key=lambda run: str(run.start_time))

    def wait_for(self, flow: str, state: str, *, number: int = 1, seconds: float = 300) -> FlowRun:
        """The run of ``flow`` that is the ``number``-th to be in ``state``."""
        deadline = time.monotonic() + seconds
        while True:
            runs = self.runs(flow)
            assert not [run.name for run in runs if run.state_name in ("Failed", "Crashed")]
            if len(there := [run for run in runs if run.state_name == state]) >= number:
                return there[number - 1]
            assert time.monotonic() < deadline, [(run.name, run.state_name) for run in runs]
            time.sleep(1)

    def page(self, run: FlowRun) -> str:
        return f"{self.prefect}/runs/flow-run/{run.id}"

    def artifact(self, key: str) -> str:
        """The page of the newest artifact whose key begins so."""
        shown = [each for each in self.client.read_artifacts() if (each.key or "").startswith(key)]
        return f"{self.prefect}/artifacts/artifact/{max(shown, key=lambda each: str(each.created)).id}"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder as a checkout is: configs and deployments, the null sweep due each minute."""
    for name in [name for name in os.environ if name.startswith(("PREFECT_", "MLFLOW_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("INVARLOCK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("INVARLOCK_CONFIG_ROOT", str(tmp_path / "configs"))
    monkeypatch.chdir(tmp_path)
    shutil.copytree(shipped("configs"), tmp_path / "configs")
    weekly = shipped("deployments/prefect.yaml").read_text()
    assert weekly.count(WEEKLY) == 1
    (tmp_path / "deployments").mkdir()
    (tmp_path / "deployments/prefect.yaml").write_text(weekly.replace(WEEKLY, MINUTELY))
    return tmp_path


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    return lambda *arguments: run_cli(capfd, *arguments)


@pytest.fixture
def services(place: Path, run: Run) -> Iterator[Services]:
    try:
        up = json.loads(run("up", "--worker", "--json").out)
        prefect, mlflow = up["prefect"]["url"], up["mlflow"]["url"]
        api = temporary_settings({PREFECT_API_URL: f"{prefect}/api"})
        with api, get_client(sync_client=True) as client:
            yield Services(prefect, mlflow, client)
    finally:
        run("down")


def parsed(ran: Ran) -> Any:
    assert ran.code == 0, ran.err
    return json.loads(ran.out)


def test_a_scheduled_recalibration_becomes_policy_and_is_taken_back(
    services: Services, place: Path, run: Run, pictures: Path
) -> None:
    tiers = live_tiers_path(place / "configs")
    old = tiers.read_text()
    sweep = services.wait_for(SWEEP, "Completed")
    assert sweep.auto_scheduled

    waiting = services.wait_for("promote", "Suspended")
    [listed] = parsed(run("promote", "list", "--json"))
    request = listed["id"]
    assert (listed["requester"], listed["state"]) == ("recalibration", "checked")
    assert waiting.parameters == {"request_id": request}
    assert tiers.read_text() == old
    recalibration, review = services.artifact("recalibration"), services.artifact(f"review-{request}")
    assert f"Request {request}" in text_of(recalibration)
    assert "balanced.spectral_guard.family_caps.ffn" in text_of(review)
    screenshot(services.page(sweep), pictures / "sweep.png")
    screenshot(recalibration, pictures / "recalibration.png", height=800)
    screenshot(review, pictures / "review.png", height=1500)

    send_form(services.page(waiting), "approve", "bea", "read it", picture=pictures / "form.png")
    services.wait_for("promote", "Completed")
    [listed] = parsed(run("promote", "list", "--json"))
    assert listed["state"] == "applied"
    changed = [
        (before, after)
        for before, after in zip(old.splitlines(), tiers.read_text().splitlines(), strict=True)
        if before != after
    ]
    assert len(changed) == len(parsed(run("promote", "diff", request, "--json"))["changes"]) > 0
    for before, after in changed:  # the value alone: comments and order are where they were
        key, _, _ = before.partition(":")
        assert after.startswith(f"{key}: ")
        assert after.partition("#")[2] == before.partition("#")[2]
    assert run("policy", "verify-history").code == 0
    models = MlflowClient(f"sqlite:///{place}/home/mlflow/mlflow.db")
    [registered] = models.search_registered_models()
    assert {name: int(number) for name, number in registered.aliases.items()} == {"live": 1}
    screenshot(f"{services.mlflow}/#/models/{registered.name}", pictures / "registry.png")

    done = len([each for each in services.runs(SWEEP) if each.state_name == "Completed"])
    services.wait_for(SWEEP, "Completed", number=done + 1)  # made for the new policy, and agrees with it
    assert len(parsed(run("promote", "list", "--json"))) == 1

    services.client.pause_deployment(sweep.deployment_id)
    back = parsed(run("promote", "rollback", "--reason", "too many alarms", "--requester", "bea", "--json"))
    waits = services.wait_for("promote", "Suspended")
    screenshot(services.page(waits), pictures / "rollback.png")
    assert run("promote", "approve", back["request_id"], "--reason", "so it is", "--as", "ann").code == 0
    services.wait_for("promote", "Completed", number=2)
    assert tiers.read_text() == old
    history = parsed(run("policy", "history", "--json"))
    assert len(history) == 2
    assert run("policy", "verify-history").code == 0
    assert all(path.stat().st_size > 10_000 for path in pictures.glob("*.png"))
