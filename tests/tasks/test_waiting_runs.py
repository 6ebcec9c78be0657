"""Runs that wait for an approval, on a real Prefect server without a worker."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from threading import Barrier
from uuid import UUID, uuid4

import pytest
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.states import Cancelled, Paused

from tasks import waiting_runs
from tasks.waiting_runs import FLOW, start_waiting, tell_waiting

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
    client.set_flow_run_state(run_of(page), Paused(timeout_seconds=60), force=True)
    assert tell_waiting(REQUEST, decision="approve", name="bea", reason="r") == [page]
