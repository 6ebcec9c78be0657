"""Runs that wait for an approval, on a real Prefect server without a worker."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier
from uuid import UUID, uuid4

import pytest
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.states import Cancelled, Suspended

from invarlock.errors import PromotionError
from invarlock.promotion.approval import approve, draft_approval, reject
from invarlock.promotion.requests import Request
from tasks import waiting_runs
from tasks.waiting_runs import FLOW, settle_waiting, start_waiting, tell_waiting
from tests.promotion.config_root import CONFIG, NOON, apply, checked, epsilon, requested, small_root

REQUEST = "0123456789abcdef"


@flow(name=FLOW)
def waits(request_id: str) -> None:
    """Stands for the promotion, which no worker carries out here."""


@pytest.fixture
def client(embedded_home: object) -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as made:
        yield made


@pytest.fixture
def deployment(client: SyncPrefectClient) -> Iterator[UUID]:
    made = client.create_deployment(client.create_flow(waits), "on-request")
    yield made
    client._client.delete(f"/deployments/{made}")
    for run in client.read_flow_runs():
        if run.deployment_id == made:
            client.delete_flow_run(run.id)


def run_of(page: str | None) -> UUID:
    assert page is not None
    return UUID(page.rpartition("/")[2])


def suspend(client: SyncPrefectClient, page: str | None) -> UUID:
    client.set_flow_run_state(run_of(page), Suspended(timeout_seconds=60), force=True)
    return run_of(page)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = small_root(tmp_path / "configs")
    monkeypatch.setenv("INVARLOCK_CONFIG_ROOT", str(root))
    return root


def test_without_a_deployment_nobody_waits(embedded_home: object) -> None:
    assert start_waiting(REQUEST) is None


def test_those_who_ask_at_once_get_one_run(
    client: SyncPrefectClient, deployment: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, looked = waiting_runs._start, Barrier(4)

    def start_when_all_have_looked(*arguments: object) -> FlowRun:
        looked.wait(timeout=60)
        return start(*arguments)  # type: ignore[arg-type]

    def all_at_once() -> set[UUID]:
        with monkeypatch.context() as patch, ThreadPoolExecutor(4) as pool:
            patch.setattr(waiting_runs, "_start", start_when_all_have_looked)
            # Prefect's settings are those of a context, which threads do not have by themselves.
            asked = [pool.submit(copy_context().run, start_waiting, REQUEST) for _ in range(4)]
            return {run_of(each.result()) for each in asked}

    [first] = all_at_once()
    assert run_of(start_waiting(REQUEST)) == first
    client.set_flow_run_state(first, Cancelled(), force=True)
    [second] = all_at_once()
    assert second != first  # the first has ended and waits for nobody


def test_a_run_behind_many_others_is_found(
    client: SyncPrefectClient, deployment: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting_runs, "_PAGE", 2)
    page = start_waiting(REQUEST)
    for _ in range(5):
        start_waiting(uuid4().hex[:16])
    assert start_waiting(REQUEST) == page
    suspend(client, page)
    assert tell_waiting(REQUEST, decision="approve", name="bea", reason="r") == [page]


def approved(root: Path, request: Request) -> None:
    now = datetime.now(UTC)
    shown = checked(root, request)
    approve(
        draft_approval(request, shown, by="bea", reason="read it", at=now, config=CONFIG),
        CONFIG,
        now=now,
        root=root,
    )


def test_what_was_closed_or_approved_without_a_server_waits_no_longer(
    client: SyncPrefectClient, deployment: UUID, root: Path
) -> None:
    stale = requested(root, epsilon(0.05))
    applied = requested(root, epsilon(0.02))
    apply(root, applied)
    rejected, yes, asked = (requested(root, epsilon(value)) for value in (0.03, 0.04, 0.06))
    reject(rejected, by="bea", reason="too loose", at=NOON, root=root)
    approved(root, yes)
    elsewhere = "f" * 16  # of another config root
    names = (*(each.id for each in (stale, applied, rejected, yes, asked)), elsewhere)
    runs = [suspend(client, start_waiting(name)) for name in names]
    settle_waiting()
    states = [client.read_flow_run(run).state for run in runs]
    assert [(state.name, state.message) for state in states[:3] if state] == [
        ("Cancelled", f"Request {stale.id} is stale: nothing more can happen to it."),
        ("Completed", f"Request {applied.id} is applied."),
        ("Cancelled", "Rejected by bea: too loose"),
    ]
    assert [state.type.value for state in states[3:] if state] == ["SCHEDULED", "PAUSED", "PAUSED"]


def test_where_the_history_is_broken_every_run_waits_on(
    client: SyncPrefectClient, deployment: UUID, root: Path
) -> None:
    apply(root, requested(root, epsilon(0.02)))
    run = suspend(client, start_waiting(requested(root, epsilon(0.03)).id))
    (root / "runtime/history.jsonl").unlink()
    with pytest.raises(PromotionError, match="the history is broken"):
        settle_waiting()
    assert client.read_flow_run(run).state_type is StateType.PAUSED
