"""Flow runs that wait for an approval: started for a request, and told when it is decided outside the UI."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.objects import State as RunState
from prefect.client.schemas.responses import SetStateStatus
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled, Completed

from invarlock.errors import PromotionError, StoreError
from invarlock.promotion.approval import counting_approvals
from invarlock.promotion.current import standing
from invarlock.promotion.promotion_config import load_promotion_config
from invarlock.promotion.request_store import RequestStore
from invarlock.promotion.requests import Request, State, Step, StepRecord
from invarlock.promotion.shown_state import shown_state
from invarlock.promotion.turn import turn
from invarlock.promotion.verify_history import ensure_unbroken
from tasks.artifacts import url_of

FLOW = "promote"
DEPLOYMENT = f"{FLOW}/on-request"
_OPEN = (StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING, StateType.PAUSED)
_PAGE = 200  # runs in one answer, which is the server's own limit


def start_waiting(request_id: str) -> str | None:
    """Let a worker carry the request on and wait for its approval; the run's page, None without a deployment.

    A run that is under way for the request is not started twice, also by two that ask at once.
    """
    with get_client(sync_client=True) as client:
        try:
            deployment = client.read_deployment_by_name(DEPLOYMENT)
        except ObjectNotFound:
            return None
        runs = [run for run in _runs(client, StateType) if _request_of(run) == request_id]
        under_way = [run for run in runs if run.state_type in _OPEN]
        run = under_way[0] if under_way else _start(client, deployment.id, request_id, runs)
    return _page(run)


def tell_waiting(request_id: str, *, decision: str, name: str, reason: str) -> Sequence[str]:
    """Wake the runs that wait for this request, as the form does; gives their pages. StoreError without a server.

    What was decided is kept with the request already: a run that cannot be woken finds it when it is run again.
    """
    answer = {"decision": decision, "name": name, "reason": reason}
    with _answering_client() as client:
        asked = [run for run in _waiting(client) if _request_of(run) == request_id]
        return [_page(run) for run in asked if _wake(client, run, answer)]


def settle_waiting() -> None:
    """End each run that waits for a request that is closed, and wake those of a request that is approved.

    The waits of other config roots on this server, and of damaged requests, are left alone. PromotionError or
    ConfigError when it cannot be told how far the requests are; StoreError without a server.
    """
    with _answering_client() as client:
        if runs := _waiting(client):
            with turn() as store:
                ensure_unbroken(store)  # else every request would look stale
            for run in runs:
                _settle(client, run, store)


def closed_as(store: RequestStore, request: Request) -> RunState[None] | None:
    """How a run ends whose request is closed; None while that is open."""
    match standing(store, request):
        case State.APPLIED:
            return Completed(message=f"Request {request.id} is applied.")
        case State.REJECTED:
            last = store.records(request.id, Step.REJECTED, StepRecord)[-1]
            return Cancelled(message=f"Rejected by {last.by}: {last.reason}")
        case State.STALE:
            return Cancelled(message=f"Request {request.id} is stale: nothing more can happen to it.")
    return None


@contextmanager
def _answering_client() -> Iterator[SyncPrefectClient]:
    try:
        with get_client(sync_client=True) as client:
            yield client
    except httpx.HTTPError as error:
        raise StoreError(
            f"the Prefect server does not answer: {error}", fix="run `invarlock doctor`"
        ) from error


def _settle(client: SyncPrefectClient, run: FlowRun, store: RequestStore) -> None:
    try:
        request = store.request(_request_of(run))
    except PromotionError:
        return
    now = datetime.now(UTC)
    if (ended := closed_as(store, request)) is not None:
        client.set_flow_run_state(run.id, ended, force=True)
    elif shown_state(store, request, now=now) is State.APPROVED:
        last = counting_approvals(request.id, load_promotion_config(store.files), now=now)[-1]
        _wake(client, run, {"decision": "approve", "name": last.by, "reason": last.reason})


def _wake(client: SyncPrefectClient, run: FlowRun, answer: dict[str, str]) -> bool:
    """Answer the form of ``run``. Refused, the server answers 200 and says so in the status."""
    return client.resume_flow_run(run.id, run_input=answer).status is SetStateStatus.ACCEPT


def _start(client: SyncPrefectClient, deployment: UUID, request_id: str, ended: Sequence[FlowRun]) -> FlowRun:
    """The next run. Of all who ask for the one after the same last run, the server gives each the same."""
    times = {str(run.id): run.created.timestamp() for run in ended if run.created}
    return client.create_flow_run_from_deployment(
        deployment,
        parameters={"request_id": request_id},
        name=f"{FLOW} {request_id}",
        idempotency_key=f"{request_id} after {max(times, key=times.__getitem__, default='none')}",
    )


def _waiting(client: SyncPrefectClient) -> list[FlowRun]:
    """All that wait for a form; a list, since one that is woken or ended is no longer among them."""
    return list(_runs(client, [StateType.PAUSED]))


def _request_of(run: FlowRun) -> str:
    return str(run.parameters.get("request_id"))


def _runs(client: SyncPrefectClient, states: Iterable[StateType]) -> Iterator[FlowRun]:
    """The deployment's runs in one of ``states``."""
    state = FlowRunFilterState(type=FlowRunFilterStateType(any_=list(states)))
    for offset in count(0, _PAGE):
        page = client.read_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=[FLOW])),
            flow_run_filter=FlowRunFilter(state=state),
            sort=FlowRunSort.ID_DESC,
            limit=_PAGE,
            offset=offset,
        )
        for run in page:
            if run.deployment_id:
                yield run
        if len(page) < _PAGE:
            return


def _page(run: FlowRun) -> str:
    return url_of(run) or run.name
