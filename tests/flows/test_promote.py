"""The promotion flow in a worker: it waits for its form through restarts; killed, the next run goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from mlflow import MlflowClient
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun

from flows.null_sweep import null_sweep
from flows.promote import run_promotion
from invarlock.errors import CheckFailed, PromotionError
from invarlock.home import shipped
from invarlock.policy.tiers_file import live_tiers_path
from invarlock.promotion.approval import approve, draft_approval
from invarlock.promotion.approval_record import Approval
from invarlock.promotion.backtest import BackTest
from invarlock.promotion.checked import keep_checks, last_checked
from invarlock.promotion.policy_checks import PolicyCheck
from invarlock.promotion.promotion_config import load_promotion_config
from invarlock.promotion.request_store import RequestStore
from invarlock.promotion.requests import Request, State, Step, StepRecord
from invarlock.promotion.steps import record_step
from invarlock.promotion.sweep_patch import read_sweep_patch
from invarlock.promotion.verify_history import verify_history
from invarlock.reports.null_sweep_result import NullSweepResult
from tasks.background_server import ServerState
from tasks.deployments import POOL, apply_deployments
from tasks.local_services import prefect_server, tracking_uri
from tasks.open_request import open_request
from tasks.waiting_runs import settle_waiting, start_waiting, tell_waiting
from tests.flows.promotions import calibration
from tests.prefect_form import send_form


@pytest.fixture
def request_(promotion_root: Path, calibrated: NullSweepResult) -> Request:
    """Of ann."""
    return open_request(read_sweep_patch(Path(calibrated.patch)), requester="ann", reason="trained anew")


def state(request: Request) -> State:
    return RequestStore().state(request.id)


def work() -> None:
    """A worker that carries out what is due, and ends."""
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", POOL, "--run-once"]
    subprocess.run(command, env=child_environment(), check=True, capture_output=True, timeout=180)


def child_environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}


def run_of(page: str | None) -> FlowRun:
    assert page is not None
    with get_client(sync_client=True) as client:
        return client.read_flow_run(UUID(page.rpartition("/")[2]))


def answer(run: FlowRun, **given: str) -> dict[str, object]:
    """As the form in the UI sends it."""
    address = f"{os.environ['PREFECT_API_URL']}/flow_runs/{run.id}/resume"
    found = httpx.post(address, json={"run_input": given})
    assert found.status_code in (200, 201)
    return dict(found.json())


def form_of(run: FlowRun, number: int) -> tuple[dict[str, object], str]:
    """Schema and text of a form."""
    with get_client(sync_client=True) as client:
        kept = {each.key: each for each in client.filter_flow_run_input(run.id, "suspended-", 100, set())}
    [schema] = [json.loads(each.value) for key, each in kept.items() if key.endswith(f"-{number}-schema")]
    [text] = [json.loads(each.value) for key, each in kept.items() if key.endswith(f"-{number}-description")]
    return schema, text


@pytest.fixture
def deployed(embedded_home: Path) -> None:
    apply_deployments(shipped("deployments/prefect.yaml"))


@pytest.mark.slow
def test_it_waits_for_its_form_through_restarts_of_worker_and_server(
    request_: Request, deployed: None, embedded_home: Path, promotion_root: Path, tmp_path: Path
) -> None:
    old = live_tiers_path(promotion_root).read_bytes()
    page = start_waiting(request_.id)
    assert start_waiting(request_.id) == page  # not twice
    work()
    run = run_of(page)
    assert run.state is not None
    assert run.state.name == "Suspended"
    assert state(request_) is State.CHECKED
    schema, text = form_of(run, 1)
    assert schema["required"] == ["decision", "name", "reason"]
    assert not any("default" in field for field in schema["properties"].values())  # type: ignore[attr-defined]
    for told in (request_.change_sha256[:12], request_.base_sha256[:12], "3.849", "6 checks passed"):
        assert told in text

    server = prefect_server(embedded_home)
    url = server.status().url
    server.stop()
    assert server.start().url == url
    pid = server.status().pid
    assert pid is not None
    os.killpg(os.getpgid(pid), signal.SIGKILL)
    while server.status().state is not ServerState.DEAD:
        time.sleep(0.1)
    assert server.start().url == url
    for bad in (
        {},
        {"decision": "approve", "name": "", "reason": "r"},
        {"decision": "yes", "name": "b", "reason": "r"},
    ):
        refused = answer(run, **bad)
        assert (refused["status"], run_of(page).state_name) == ("REJECT", "Suspended")

    assert answer(run, decision="approve", name="Ann", reason="mine")["status"] == "ACCEPT"
    work()
    assert run_of(page).state_name == "Suspended"
    assert "four eyes must see it" in form_of(run, 2)[1]
    assert live_tiers_path(promotion_root).read_bytes() == old

    assert page is not None
    send_form(page, "approve", "bea", "read it", picture=tmp_path / "form.png")
    work()
    assert run_of(page).state_name == "Completed"
    assert state(request_) is State.APPLIED
    [approval] = RequestStore().records(request_.id, Step.APPROVED, Approval)
    assert (approval.by, approval.binding) == ("bea", request_.binding)
    assert live_tiers_path(promotion_root).read_bytes() != old
    assert verify_history() is None


@pytest.mark.slow
def test_a_decision_outside_the_ui_ends_the_wait(request_: Request, deployed: None) -> None:
    page = start_waiting(request_.id)
    work()
    rejection = StepRecord(
        binding=request_.binding, by="bea", at=request_.created_at, reason="five runs are too few"
    )
    record_step(Step.REJECTED, rejection)
    assert tell_waiting(request_.id, decision="reject", name="bea", reason="five runs are too few") == [page]
    assert tell_waiting(request_.id, decision="reject", name="bea", reason="again") == []
    work()
    run = run_of(page)
    assert (run.state_name, run.state and run.state.message) == (
        "Cancelled", "Rejected by bea: five runs are too few",
    )  # fmt: skip


@pytest.mark.slow
def test_an_approval_without_a_server_is_applied_by_the_next_worker(
    request_: Request, deployed: None
) -> None:
    page = start_waiting(request_.id)
    work()
    assert run_of(page).state_name == "Suspended"
    approved(request_)  # nobody is told
    settle_waiting()  # as a worker does at its start
    work()
    assert (run_of(page).state_name, state(request_)) == ("Completed", State.APPLIED)


@pytest.mark.slow
def test_an_apply_by_command_ends_the_runs_that_wait(
    request_: Request, deployed: None, calibrated: NullSweepResult
) -> None:
    other = open_request(read_sweep_patch(Path(calibrated.patch)), requester="cleo", reason="the same")
    pages = [start_waiting(each.id) for each in (request_, other)]
    work()
    assert [run_of(page).state_name for page in pages] == ["Suspended"] * 2
    approved(request_)
    assert run_promotion(request_.id).state is State.APPLIED
    assert [run_of(page).state_name for page in pages] == ["Completed", "Cancelled"]
    page = start_waiting(other.id)  # a run of a stale request ends in words
    work()
    run = run_of(page)
    assert (run.state_name, run.state and run.state.message) == (
        "Cancelled", f"Request {other.id} is stale: nothing more can happen to it.",
    )  # fmt: skip


@pytest.mark.slow
def test_a_recalibration_asks_for_a_promotion_only_outside_its_band(
    calibrated: NullSweepResult, promotion_root: Path, embedded_home: Path
) -> None:
    again = calibration(Path(calibrated.out).parent)
    (promotion_root / "runtime/promotion.yaml").write_text("promotion: {tolerance: 0.9}\n")
    assert null_sweep(again, propose=True).patch_sha256 == calibrated.patch_sha256
    assert RequestStore().requests() == ((), ())
    (promotion_root / "runtime/promotion.yaml").unlink()
    null_sweep(again, propose=True)
    null_sweep(again, propose=True)
    [request], _ = RequestStore().requests()
    assert run_promotion(request.id).state is State.CHECKED
    assert request.requester == "recalibration"
    assert (
        request.reason == "2 of 2 changed values left the tolerance band of 10% around the policy in force."
    )
    run = MlflowClient(tracking_uri(embedded_home)).get_run(calibrated.links.mlflow_run_id)
    assert run.data.tags["invarlock.recalibration"] == f"{request.reason} Request {request.id}."


# Ends itself, as kill -9 does, where a step would begin.
KILLED = """
import os, signal, sys
import flows.promote
setattr(flows.promote, sys.argv[1], lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
flows.promote.run_promotion(sys.argv[2])
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("step", "left"),
    [
        ("known_evaluations", State.REQUESTED),
        ("keep_checks", State.REQUESTED),
        ("apply_request", State.APPROVED),
        ("register_policy", State.APPLIED),
    ],
)
def test_killed_between_steps_the_next_run_goes_on(
    step: str, left: State, request_: Request, promotion_root: Path
) -> None:
    old = live_tiers_path(promotion_root).read_bytes()
    if left is not State.REQUESTED:
        run_promotion(request_.id)
        approved(request_)
    command = [sys.executable, "-c", KILLED, step, request_.id]
    killed = subprocess.run(command, env=child_environment(), capture_output=True, timeout=180)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert state(request_) is left
    assert verify_history() is None
    assert (live_tiers_path(promotion_root).read_bytes() == old) == (left is not State.APPLIED)
    result = run_promotion(request_.id)
    if left is State.REQUESTED:
        assert result.state is State.CHECKED
        approved(request_)
        result = run_promotion(request_.id)
    assert result.state is State.APPLIED
    assert result.registered is not None
    assert result.entry is not None
    assert result.entry.number == 1


def approved(request: Request) -> None:
    store, now = RequestStore(), datetime.now(UTC)
    config, shown = load_promotion_config(store.files), last_checked(store, request.id)
    draft = draft_approval(request, shown, by="bea", reason="read it", at=now, config=config)
    approve(draft, config, now=now)


def test_in_a_process_without_deployment_it_does_not_wait(request_: Request) -> None:
    result = run_promotion(request_.id)
    assert (result.state, result.entry) == (State.CHECKED, None)
    assert result.review is not None
    assert result.review.passed


@pytest.mark.slow
def test_checks_that_were_written_by_hand_are_worth_nothing(request_: Request, promotion_root: Path) -> None:
    tiers, rules = live_tiers_path(promotion_root), promotion_root / "runtime/promotion.yaml"
    old = tiers.read_bytes()
    said = PolicyCheck(name="valid policy", passed=True, reason="trust me")
    keep_checks(request_, (), [said], BackTest(evaluations=()), by="eve", at=request_.created_at)
    approved(request_)
    result = run_promotion(request_.id)  # makes the checks, finds something else, and asks again
    assert (result.state, tiers.read_bytes()) == (State.CHECKED, old)
    approved(request_)
    rules.write_text("promotion: {limits: {min_runs: 50}}\n")
    with pytest.raises(CheckFailed, match="at least 50"):
        run_promotion(request_.id)
    rules.write_text("promotion: {limits: {min_runs: 4}}\n")
    assert run_promotion(request_.id).state is State.CHECKED  # other rules than those that were shown
    assert tiers.read_bytes() == old
    rules.unlink()
    run_promotion(request_.id)
    approved(request_)
    assert run_promotion(request_.id).state is State.APPLIED


def test_a_stale_request_is_not_put_before_people(request_: Request, promotion_root: Path) -> None:
    run_promotion(request_.id)
    tiers = live_tiers_path(promotion_root)
    tiers.write_text(tiers.read_text() + "# edited\n")
    with pytest.raises(PromotionError, match="is stale"):
        run_promotion(request_.id)
